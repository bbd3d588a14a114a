100 calls 807 | 100 is connected | 100 is parked in 702 by 100 | 100's call is answered | 100 sees 807 | 100's call is found at 807
100 waits no more | 100 leaves | 100's call is over
