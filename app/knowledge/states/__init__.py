"""The states of what the room keeps."""
