"""One search over knowledge, accounts, contacts and products."""
