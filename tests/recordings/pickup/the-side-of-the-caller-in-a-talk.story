100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
024 is rung for 100
024 takes over from 100 as 00 | 024 sees 210 | 210 sees 024 | 100's call is found at 100
024 leaves | 210 leaves | 100's call is over
