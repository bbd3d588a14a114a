100 calls 807 | 100 is connected | 100 is parked in 702 by 100 | 100's call is answered | 100 sees 807 | 100's call is found at 807
025 calls 702 | 025 is connected | 025 joins 100's call as 01 | 025 is 01 now | 100 waits no more | 025 sees 100 | 100 sees 025 | 100's call is found at 702 702 807
025 leaves | 100 leaves | 100's call is over
