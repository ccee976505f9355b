"""Which engine runs where: reading the placement, and whether this machine can carry it."""
