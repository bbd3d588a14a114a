100 calls 813 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100 | 100's call is found at 813
100 is connected | 210 leaves | 100's call is answered
100 leaves | 100's call is over
