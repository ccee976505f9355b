"""Judging from the caller's voice whether a turn is over."""
