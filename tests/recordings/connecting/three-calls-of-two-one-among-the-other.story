100 calls 210 | 101 calls 211 | 102 calls 024 | 024 is called as 01 | 210 is called as 01 | 211 is called as 01 | 024 rings | 210 rings | 211 rings | 100 hears it ring | 101 hears it ring | 102 hears it ring | 024 sees 102 | 100 sees 210 | 101 sees 211 | 102 sees 024 | 210 sees 100 | 211 sees 101
024 answers | 210 answers | 211 answers | 100 is connected | 101 is connected | 102 is connected | 100's call is answered | 101's call is answered | 102's call is answered
101 holds | 210 holds | 100 is on hold | 211 is on hold | 024 leaves | 102 leaves | 102's call is over
101 resumes | 210 resumes | 100 is off hold | 211 is off hold | 100 leaves | 210 leaves | 100's call is over
101 leaves | 211 leaves | 101's call is over
