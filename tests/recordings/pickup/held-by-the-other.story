100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
100 holds | 210 is on hold
024 is rung for 210
024 takes over from 210 as 01 | 100 holds | 100 resumes | 210 is off hold | 024 sees 100 | 100 sees 024 | 100's call is found at 210
100 resumes | 024 is off hold
024 leaves | 100 leaves | 100's call is over
