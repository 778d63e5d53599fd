"""Work that time starts: one scheduler process, guarded by an advisory lock."""
