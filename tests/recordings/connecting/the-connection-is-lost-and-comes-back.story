100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
101 calls 211 | 211 is called as 01 | 211 rings | 101 hears it ring | 101 sees 211 | 211 sees 101
102 is there as 00 | 211 answers | 101 is connected | 102 is parked in 702 by 102 | 100 leaves | 210 leaves | 100's call is over | 101's call is answered | 102's call is answered | 102 sees 807 | 102's call is found at 807
101 leaves | 211 leaves | 101's call is over
102 waits no more | 102 leaves | 102's call is over
