"""What the bridge costs, measured beside what a user would take instead; `python -m bench` prints the table."""
