"""The configuration that the manual's examples speak of, for a bridge on the lab's office."""

import hashlib

from lab.service import JOHN

APP_SECRET = "THE-SECRET-OF-THE-APP"

CONFIG = f"""\
[http]
port = {{port}}

[ami]
port = {{ami_port}}

[[organizations]]
id = "3"
name = "Default Organization"

[[users]]
id = "12"
name = "John Doe"
organization = "3"
extensions = ["0003*100", "0003*101", "0003*102", "0003*103", "0003*210", "0003*211", "0003*804", "0003*900"]

[[users]]
id = "13"
name = "Jane Roe"
organization = "3"
extensions = ["0003*024", "0003*025"]

[[queues]]
name = "support"
extension = "0003*900"

[[apps]]
id = "demo-app"
user = "12"
secret_sha256 = "{hashlib.sha256(APP_SECRET.encode()).hexdigest()}"
tokens_sha256 = ["{hashlib.sha256(JOHN.encode()).hexdigest()}"]
"""
