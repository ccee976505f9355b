"""Hand-written side of the contract: value types, codec, audio arithmetic, failure reasons and gRPC options."""
