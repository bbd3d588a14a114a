100 is called as 00 | 210 is called as 01 | 211 is called as 02 | 210 rings | 211 rings | 100 hears it ring | 100 sees 800 | 210 sees 100 | 211 sees 100 | 100's call is found at 800
024 is rung for 211
100 is connected | 024 takes over from 211 as 02 | 210 leaves | 100's call is answered | 024 sees 100 | 100 sees 024 | 100's call is found at 211 800
024 leaves | 100 leaves | 100's call is over
