"""Live pings: one process that holds a connection per phone and tells it when a sync is worth while."""
