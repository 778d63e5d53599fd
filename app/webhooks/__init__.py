"""Events for other systems: an outbox, signed and tried again until they arrive."""
