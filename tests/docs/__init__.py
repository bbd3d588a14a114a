"""The README and the manual: every command in them is run, and what they print is compared."""
