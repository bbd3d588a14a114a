100 calls 103 | 103 is called as 01 | 103 answers | 100 is connected | 100's call is answered | 100 sees 103 | 103 sees 100
103 calls 211 | 211 is called as 01 | 211 rings | 211 answers | 103 is connected | 103's call is answered | 103 sees 211 | 211 sees 103
211 joins 100's call as 03 | 211 is 03 now | 2 times 103 leaves | 103's call is over | 100 sees 211 | 211 sees 100 | 100's call is found at 103
100 leaves | 211 leaves | 100's call is over
