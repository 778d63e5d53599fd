"""A fresh company in a real database for each test."""

from tests.visits.company import company, other_company

__all__ = ["company", "other_company"]
