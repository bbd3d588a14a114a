100 calls 900 | 210 is called as 02 | 211 is called as 01 | 210 rings | 211 rings | 100 is connected | 100 waits in a queue | 100's call is answered | 100 sees 900 | 210 sees 100 | 211 sees 100 | 100's call is found at 900
024 is rung for 210
024 takes over from 210 as 02 | 100 waits no more | 211 leaves | 024 sees 100 | 100 sees 024 | 100's call is found at 210 900
024 leaves | 100 leaves | 100's call is over
