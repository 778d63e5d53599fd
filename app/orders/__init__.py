"""Orders with their lines, shipments and returns, and the stock that they are taken from."""
