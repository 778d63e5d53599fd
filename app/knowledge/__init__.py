"""Articles with versions and audiences, diagnosis trees, and what the field says of them."""
