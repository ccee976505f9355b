"""Says whether another implementation keeps the contract: an edge for orchestrators, an orchestrator for nodes."""
