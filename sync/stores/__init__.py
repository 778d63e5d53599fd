"""Where the engine keeps its state."""
