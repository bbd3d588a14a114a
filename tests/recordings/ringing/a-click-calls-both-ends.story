100 is called as 00 | 100 rings | 100 sees Web 210
210 is called as a view of its own | 210 rings | 100 answers | 100's call is answered | 100 sees 210 | 210 sees Web 210
210 answers
100 leaves | 210 leaves | 100's call is over
