100 calls 803 | 100 is connected | 100's call is answered | 100 sees 803 | 100's call is found at 803
101 calls 803 | 101 is connected | 101's call is answered | 101 sees 803 | 101's call is found at 803
210 calls 803 | 210 is connected | 210's call is answered | 210 sees 803 | 210's call is found at 803
101 leaves | 101's call is over
100 leaves | 100's call is over
210 leaves | 210's call is over
