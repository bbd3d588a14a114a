100 calls 807 | 100 is connected | 100 is parked in 702 by 100 | 100's call is answered | 100 sees 807 | 100's call is found at 807
024 is rung for 100
pickup of 100 by 024: connected | 024 takes over from 100 as a view of its own | 100 waits no more | 024 sees 100 | 100 sees 024
024 leaves | 100 leaves | 100's call is over
