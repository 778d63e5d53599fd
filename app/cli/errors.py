"""Failures that people can do something about are told in words, without a traceback."""

import copy
import functools
from collections.abc import Callable
from typing import Any, Final

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from app.config import ConfigInvalid
from app.core.errors import DomainError
from app.doctor.examination import StartRefused
from app.serve import ServeError
from localpg import LocalPostgresError

TOLD: Final = (ConfigInvalid, LocalPostgresError, ServeError, StartRefused)
ADVICE: Final = {
    "42P01": "The database was not migrated: flask db upgrade",  # undefined_table
    "42703": "The database is at another revision than this code: flask db upgrade",  # undefined_column
    "42501": "The database role lacks a right: flask doctor says which",  # insufficient_privilege
}


def in_words(command: click.Command) -> click.Command:
    """A copy of a command, with all below it, that ends expected failures with a sentence and status 1."""
    told = copy.copy(command)
    if isinstance(told, click.Group):
        told.commands = {name: in_words(below) for name, below in told.commands.items()}
    if told.callback is not None:
        told.callback = _in_words(told.callback)
    return told


def _in_words(callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def telling(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except TOLD as error:
            raise click.ClickException(str(error)) from error
        except DomainError as error:
            raise click.ClickException(f"{error} [{error.code}]") from error
        except DBAPIError as error:
            raise click.ClickException(_database_words(error)) from error

    return telling


def _database_words(error: DBAPIError) -> str:
    """What the database said; anything that nobody here can mend is raised again.

    Raises:
        DBAPIError: It is a fault of the code.
    """
    said = str(error.orig).strip().partition("\n")[0]
    advice = ADVICE.get(getattr(error.orig, "sqlstate", None) or "")
    if advice:
        return f"{said}\n{advice}"
    if isinstance(error, OperationalError):
        return f"The database does not answer, or refused: {said}"
    raise error
