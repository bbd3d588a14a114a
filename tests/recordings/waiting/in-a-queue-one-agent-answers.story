100 calls 902 | 210 is called as 01 | 210 rings | 100 is connected | 100 waits in a queue | 100's call is answered | 100 sees 902 | 210 sees 100 | 100's call is found at 902
210 answers | 100 waits no more | 100 sees 210
100 leaves | 210 leaves | 100's call is over
