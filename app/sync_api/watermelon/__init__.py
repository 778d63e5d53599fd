"""A door for WatermelonDB: its published client syncs with the same engine."""
