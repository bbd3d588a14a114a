+4930900100 is called as 00 | 210 is called as 01 | 210 rings | +4930900100 hears it ring | +4930900100 sees 210 | 210 sees Outside Caller +4930900100
210 answers | +4930900100 is connected | +4930900100's call is answered
+4930900100 leaves | 210 leaves | +4930900100's call is over
