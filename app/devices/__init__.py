"""Phones in use: where each stands, what its last syncs did, and what the engine saw."""
