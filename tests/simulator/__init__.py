"""Whole histories of phones, people and faults against the real server, from a seed, with a checker per invariant."""
