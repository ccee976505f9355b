"""Control plane: owns every call, imports no model library."""
