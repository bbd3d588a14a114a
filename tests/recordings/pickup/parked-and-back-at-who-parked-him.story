100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
100 is parked in 701 by 210
210 leaves | 100's call is found at 210
024 is rung for 100
210 is called as 04 | 210 rings | 100 waits no more | 210 sees 100 | 100's call is found at its parties alone
pickup of 100 by 024: connected | 024 takes over from 100 as a view of its own | 210 leaves | 024 sees 100 | 100 sees 024 | 100's call is found at 210
024 leaves | 100 leaves | 100's call is over
