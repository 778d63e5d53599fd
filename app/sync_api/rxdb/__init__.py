"""The door for the published RxDB client: replication by collection, on the same engine as ``POST /sync``."""
