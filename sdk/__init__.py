"""What app developers are given ready-made, generated from the API document and the schema of the sync."""
