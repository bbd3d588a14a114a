100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
100 is parked in 702 by 210
210 leaves | 100's call is found at 210
025 calls 702 | 025 is connected | 025 joins 100's call as 02 | 025 is 02 now | 100 waits no more | 025 sees 100 | 100 sees 025 | 100's call is found at 210 702 702
025 leaves | 100 leaves | 100's call is over
