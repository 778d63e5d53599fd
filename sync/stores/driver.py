"""What is said to the driver itself, in a transaction of the engine's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

Said = tuple[TextClause | str, Mapping[str, Any]]
"""A statement, as text() or in the words of the driver, and its values."""


@lru_cache(maxsize=512)
def statement(words: str) -> TextClause:
    """``text()`` of constant words; made anew for each request it took longer than to send them."""
    return text(words)


@contextmanager
def driver_errors() -> Iterator[None]:
    """Errors of the driver become those of the engine, which the rest of the server knows."""
    try:
        yield
    except psycopg.Error as error:
        lost = isinstance(error, psycopg.OperationalError) and not error.sqlstate
        raise DBAPIError.instance(None, None, error, psycopg.Error, connection_invalidated=lost) from error
