"""Bugs of one line, planted into the server to see that the histories find them."""
