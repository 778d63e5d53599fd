"""The wire of the sync engine: joins policies, schemas and service verbs of the rooms."""
