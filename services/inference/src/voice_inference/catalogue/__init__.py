"""The model weights the runtime knows: where they come from, what they must hash to, and where they are kept."""
