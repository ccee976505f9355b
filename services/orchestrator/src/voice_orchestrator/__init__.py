"""Control plane of the voice agent runtime: owns every call, touches no model."""

__version__ = "0.1.0"
