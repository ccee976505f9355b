"""What is kept of a call: transcript and report."""
