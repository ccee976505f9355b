"""What a placement can do on this machine, measured: every engine alone, and callers at once on a whole node."""
