"""What an examination finds, and on what it looks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from app.config import Config
from app.core.db import role_names, sqlalchemy_url

PARTS: Final = ("owner", "engine", "app")
VARIABLE: Final = {
    "owner": "DATABASE_OWNER_URL",
    "engine": "DATABASE_ENGINE_URL",
    "app": "DATABASE_URL",
}
CONNECT_TIMEOUT_S: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        ok: Whether it is as it must be.
        text: What was seen.
        advice: What to do about it.
    """

    ok: bool
    text: str
    advice: str = ""

    @classmethod
    def of(cls, ok: bool, good: str, bad: str, advice: str) -> Self:
        """The good news, or the bad with advice."""
        return cls(True, good) if ok else cls(False, bad, advice)


@dataclass(frozen=True, slots=True)
class Subject:
    """An installation under examination: a connection of each role, without transactions."""

    config: Config
    owner: Connection
    engine: Connection
    app: Connection

    @property
    def roles(self) -> dict[str, str]:
        """Names of the database roles: owner, engine, app, sql."""
        return role_names(self.config)

    def connection(self, part: str) -> Connection:
        """That of ``owner``, ``engine`` or ``app``."""
        found: Connection = getattr(self, part)
        return found

    def ask(self, statement: str, *, by: str = "owner", **values: Any) -> Any:
        """The first column of the first row, as one of the roles sees it."""
        return self.connection(by).execute(text(statement), values).scalar()


Check = Callable[[Subject], Iterator[Finding]]


@contextmanager
def connected(config: Config) -> Iterator[Subject]:
    """Connect as all three roles.

    Raises:
        sqlalchemy.exc.OperationalError: The database does not answer, or does not let a role in.
    """
    with ExitStack() as stack:
        yield Subject(config, *(stack.enter_context(connect(config, part)) for part in PARTS))


@contextmanager
def connect(config: Config, part: str) -> Iterator[Connection]:
    """A connection of one role, past the pools, without a transaction."""
    urls = {
        "owner": config.database_owner_url,
        "engine": config.database_engine_url,
        "app": config.database_url,
    }
    direct = create_engine(
        sqlalchemy_url(urls[part]),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "fieldmerge-doctor",
            "prepare_threshold": None,
        },
    )
    with direct.connect() as connection:
        yield connection
