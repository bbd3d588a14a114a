"""The core of calls: stories told by a small Asterisk, and what the picture makes of them."""
