100 calls 150 | 024 is called as 04 | 150 is called as 01 | 024 rings | 150 leaves | 100 hears it ring | 024 sees 100 | 100 sees 024 | 100's call is found at 150
024 answers | 100 is connected | 100's call is answered
024 leaves | 100 leaves | 100's call is over
