"""Commands of `flask`, thin; application.py lists them all."""
