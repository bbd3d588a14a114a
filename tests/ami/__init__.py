"""The link on a manager interface that misbehaves on demand."""
