"""The orchestrator as a server of many calls: what it counts, and what it shows the people who run it."""
