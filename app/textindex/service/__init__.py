"""Put documents into the index, take them out, and find them again."""

from app.textindex.service.finding import Found, Hit, Visible, find
from app.textindex.service.writing import Document, Facts, put, put_many, remove

__all__ = ["Document", "Facts", "Found", "Hit", "Visible", "find", "put", "put_many", "remove"]
