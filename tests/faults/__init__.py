"""Real processes that are killed, cut off and starved, and phones that count what was promised to them."""
