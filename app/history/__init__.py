"""The central customer history: the ledger, readable."""
