"""Turns of calls as traces: what happened in which stage when, without a word of what was said."""
