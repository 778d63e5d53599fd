"""What is said to the driver itself, in a transaction of the engine's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import TextClause
from sqlalchemy.exc import DBAPIError

Said = tuple[TextClause | str, Mapping[str, Any]]
"""A statement, as text() or in the words of the driver, and its values."""


@contextmanager
def driver_errors() -> Iterator[None]:
    """Errors of the driver become those of the engine, which the rest of the server knows."""
    try:
        yield
    except psycopg.Error as error:
        lost = isinstance(error, psycopg.OperationalError) and not error.sqlstate
        raise DBAPIError.instance(None, None, error, psycopg.Error, connection_invalidated=lost) from error
