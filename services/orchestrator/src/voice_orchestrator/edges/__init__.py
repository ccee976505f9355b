"""What stands at the caller's end of a session inside this process: WAV files and typed text."""
