"""Ids: UUIDv7, so that records sort by the time they were made; phones may mint their own."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()
