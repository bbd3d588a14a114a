100 is called as 00 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
210 holds | 100 is on hold
024 is rung for 210
024 takes over from 210 as 01 | 210 resumes | 100 is off hold | 024 sees 100 | 100 sees 024 | 100's call is found at 210
024 leaves | 100 leaves | 100's call is over
