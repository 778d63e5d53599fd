"""A company with a customer, a rep and an office for each test."""

from tests.receivables.ledgers import books

__all__ = ["books"]
