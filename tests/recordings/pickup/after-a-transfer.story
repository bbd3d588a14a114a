100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
211 is called as 03 | 211 rings | 210 leaves | 100 sees 211 | 211 sees 100 | 100's call is found at 210
211 answers
024 is rung for 211
024 takes over from 211 as 03 | 024 sees 100 | 100 sees 024 | 100's call is found at 210 211
024 leaves | 100 leaves | 100's call is over
