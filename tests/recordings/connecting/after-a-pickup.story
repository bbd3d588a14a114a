100 is there as 00 | 024 takes over from 210 as 01 | 100's call is answered | 024 sees 100 | 100 sees 024 | 100's call is found at 210
024 holds | 100 is on hold
024 resumes | 100 is off hold | 024 leaves | 100 leaves | 100's call is over
