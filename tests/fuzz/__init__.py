"""Bad requests by the thousand, a PBX that lies, and proof of what reaches the manager interface."""
