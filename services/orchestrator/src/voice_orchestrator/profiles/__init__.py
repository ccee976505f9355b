"""Agent profiles: what makes one agent differ from another, as YAML."""
