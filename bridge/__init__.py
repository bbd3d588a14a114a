"""The UAPI bridge: VoipNow's UnifiedAPI PhoneCalls for any Asterisk."""

__version__ = "0.1.0"
