"""Visits: planned, travelled to, checked in and out of, reported and verified."""
