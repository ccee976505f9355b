"""The node's gRPC and HTTP faces and what happens inside one session's stream."""
