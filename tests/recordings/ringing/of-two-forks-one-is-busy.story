100 calls 881 | 103 is called as 01 | 210 is called as 02 | 210 rings | 103 leaves | 100 hears it ring | 100 sees 881 | 210 sees 100 | 100's call is found at 881
210 answers | 100 is connected | 100's call is answered | 100 sees 210
100 leaves | 210 leaves | 100's call is over
