100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
103 is rung for 210 | pickup of 210 by 103: rejected
025 is rung for 210
100 is connected | 025 takes over from 210 as 01 | 100's call is answered | 025 sees 100 | 100 sees 025 | 100's call is found at 210
025 leaves | 100 leaves | 100's call is over
