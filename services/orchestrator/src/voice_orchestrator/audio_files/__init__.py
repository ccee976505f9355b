"""Sound files: caller WAVs in, the stereo recording out."""
