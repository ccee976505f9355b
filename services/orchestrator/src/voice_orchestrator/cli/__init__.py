"""The voice-orchestrator command."""
