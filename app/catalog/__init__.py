"""Products, price lists and promotions: what is sold, and for how much."""
