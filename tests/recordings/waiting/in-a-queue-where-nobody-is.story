100 calls 901 | 100 is connected | 100 waits in a queue | 100's call is answered | 100 sees 901 | 100's call is found at 901
100 waits no more | 100 leaves | 100's call is over
