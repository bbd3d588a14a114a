100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
100 is parked in 701 by 210
210 leaves | 100's call is found at 210
210 is called as 02 | 210 rings | 100 waits no more | 210 sees 100 | 100's call is found at its parties alone
210 answers
100 leaves | 210 leaves | 100's call is over
