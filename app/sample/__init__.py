"""Sample customers: real Korean districts, and nothing else that could be real."""
