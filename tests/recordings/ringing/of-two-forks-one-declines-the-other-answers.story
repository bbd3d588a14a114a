100 calls 800 | 210 is called as 01 | 211 is called as 02 | 210 rings | 211 rings | 100 hears it ring | 100 sees 800 | 210 sees 100 | 211 sees 100 | 100's call is found at 800
210 leaves
211 answers | 100 is connected | 100's call is answered | 100 sees 211
100 leaves | 211 leaves | 100's call is over
