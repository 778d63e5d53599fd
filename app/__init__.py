"""The product: rooms of the business, spoken over HTTP."""
