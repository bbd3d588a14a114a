025 calls 024 | 024 rings as 01 | 211 rings as 01 | 100 is there as 00 | 101 is there as 00 | 102 is there as 00 | 210 is there as 01 | 101 is parked in 702 by 101 | 102 waits in a queue | 210 holds | 025 hears it ring | 100's call is answered | 101's call is answered | 102's call is answered | 024 sees 025 | 025 sees 024 | 100 sees 210 | 101 sees 807 | 102 sees 900 | 210 sees 100 | 211 sees 102 | 101's call is found at 807 | 102's call is found at 900
210 resumes | 100 is off hold
211 answers | 102 waits no more | 102 sees 211
024 answers | 025 is connected | 025's call is answered
101 waits no more | 101 leaves | 101's call is over
100 leaves | 210 leaves | 100's call is over
102 leaves | 211 leaves | 102's call is over
024 leaves | 025 leaves | 025's call is over
