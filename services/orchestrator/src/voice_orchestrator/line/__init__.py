"""The sound of a telephone line, 8 or 16 kHz, linear or G.711, to and from the runtime's own format."""
