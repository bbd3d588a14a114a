101 calls 210 | 210 is called as 01 | 210 rings | 101 hears it ring | 101 sees 210 | 210 sees 101
210 answers | 101 is connected | 101's call is answered
100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
024 is rung for 210
100 is connected | 024 takes over from 210 as 01 | 100's call is answered | 024 sees 100 | 100 sees 024 | 100's call is found at 210
101 leaves | 210 leaves | 101's call is over
024 leaves | 100 leaves | 100's call is over
