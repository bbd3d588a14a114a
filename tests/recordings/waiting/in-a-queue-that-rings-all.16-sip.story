100 is called as 00 | 210 is called as 02 | 211 is called as 01 | 210 rings | 211 rings | 100 is connected | 100 waits in a queue | 100's call is answered | 100 sees 900 | 210 sees 100 | 211 sees 100 | 100's call is found at 900
211 answers | 100 waits no more | 210 leaves | 100 sees 211
100 leaves | 211 leaves | 100's call is over
