"""Examines an installation and says in words what is wrong with it."""
