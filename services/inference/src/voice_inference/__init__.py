"""Inference plane: owns every model and the device it is pinned to; knows no call lifecycle and no policy."""

__version__ = "0.1.0"
