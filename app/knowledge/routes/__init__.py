"""Addresses of the room."""

from app.knowledge.routes.articles import blp as articles
from app.knowledge.routes.desk import blp as desk
from app.knowledge.routes.diagnosis import blp as diagnosis
from app.knowledge.routes.field import blp as field

__all__ = ["articles", "desk", "diagnosis", "field"]
