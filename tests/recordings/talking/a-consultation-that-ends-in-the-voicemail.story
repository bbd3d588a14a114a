100 calls 210 | 210 is called as 01 | 210 rings | 100 hears it ring | 100 sees 210 | 210 sees 100
210 answers | 100 is connected | 100's call is answered
210 holds | 100 is on hold
024 is called as 04 | 024 rings | 210 resumes | 100 is off hold | 024 sees 210 | 210 sees 024
024 leaves
100 leaves
210 leaves | 100's call is over
