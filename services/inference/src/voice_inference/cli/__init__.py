"""The voice-inference command."""
