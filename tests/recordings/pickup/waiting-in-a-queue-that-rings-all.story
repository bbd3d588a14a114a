100 calls 900 | 210 is called as 02 | 211 is called as 01 | 210 rings | 211 rings | 100 is connected | 100 waits in a queue | 100's call is answered | 100 sees 900 | 210 sees 100 | 211 sees 100 | 100's call is found at 900
024 is rung for 100
pickup of 100 by 024: connected | 024 takes over from 100 as a view of its own | 100 waits no more | 210 leaves | 211 leaves | 024 sees 100 | 100 sees 024
024 leaves | 100 leaves | 100's call is over
