"""Load on a real Asterisk: SIPp calls and is called, the API picks up, and witnesses say what it cost."""
