"""Orders and what belongs to them over REST."""

from app.orders.routes import orders, returning, shipping, terms
from app.orders.routes.blueprint import blp

__all__ = ["blp", "orders", "returning", "shipping", "terms"]
