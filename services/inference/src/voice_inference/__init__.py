"""Inference plane: owns every model and the device it is pinned to; knows no call lifecycle and no policy."""
