100 calls +4930900100 | somebody is called as 01 | +4930900100 rings | somebody is +4930900100 now | 100 hears it ring | +4930900100 sees 100 | 100 sees +4930900100
+4930900100 answers | 100 is connected | 100's call is answered
+4930900100 leaves | 100 leaves | 100's call is over
