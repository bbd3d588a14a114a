100 calls 802 | 210 is called as 03 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100 | 100's call is found at 802
210 answers | 100 is connected | 100's call is answered
100 leaves | 210 leaves | 100's call is over
