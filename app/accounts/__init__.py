"""Who we do business with: accounts, their sites, their people, and how they hang together."""
