100 is called as 00 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
100 is parked in 702 by 210 | 210 leaves | 100's call is found at 210
024 is rung for 100
pickup of 100 by 024: connected | 024 takes over from 100 as a view of its own | 100 waits no more | 024 sees 100 | 100 sees 024
024 leaves | 100 leaves | 100's call is over
