"""The conflict inbox: what the merge left for a person to decide."""
