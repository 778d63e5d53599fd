"""A fresh company in a real database for each test."""

from tests.visits.company import company, config, database, other_company

__all__ = ["company", "config", "database", "other_company"]
