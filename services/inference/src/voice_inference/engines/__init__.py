"""Adapters of engines to the Protocols of `base`, one module per engine."""
