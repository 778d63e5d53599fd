"""Models' base class, tenant keys, and sessions that carry who writes."""

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    CHAR,
    DateTime,
    Engine,
    Enum,
    FetchedValue,
    MetaData,
    Numeric,
    String,
    create_engine,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    SessionTransaction,
    mapped_column,
    sessionmaker,
)

from app.config import Config
from app.core.at_once import AtOnce
from app.core.ids import new_id
from sync.stores.driver import Said


class Base(DeclarativeBase):
    """All tables. Enums are stored by value as text, times as timestamptz."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads a plain dict)
        UUID: PgUuid(as_uuid=True),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(18, 4),
        str: String(),
        enum.StrEnum: Enum(
            enum.StrEnum,
            native_enum=False,
            create_constraint=False,
            length=40,
            values_callable=lambda e: [m.value for m in e],
        ),
    }


class TenantRow:
    """Key of every table: the tenant first, then an id that a phone may have minted."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class SyncedRow(TenantRow):
    """A record that phones hold. Everything here but ``deleted_at`` is written by the capture triggers."""

    version: Mapped[int] = mapped_column(server_default=FetchedValue(), server_onupdate=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    updated_by: Mapped[UUID | None] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]
    stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=FetchedValue(), deferred=True)

    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012  (SQLAlchemy reads a plain dict)


Currency = CHAR(3)

NO_JIT = "-c jit=off"
"""Compiling a statement takes longer than running any of ours: one that was thought dear cost a phone a second."""


def compact_json(value: Any) -> str:
    """JSON as it goes over the wire: columns of type json keep these bytes."""
    return orjson.dumps(value).decode()


def sqlalchemy_url(url: str) -> str:
    """The URL with the psycopg 3 driver named, whatever form of ``postgresql://`` was given."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def role_names(config: Config) -> dict[str, str]:
    """Database roles by part: ``owner``, ``engine``, ``app`` from the URLs, and ``sql`` for people in psql."""
    names = {
        "owner": make_url(config.database_owner_url).username,
        "engine": make_url(config.database_engine_url).username,
        "app": make_url(config.database_url).username,
    }
    return {part: name or "" for part, name in names.items()} | {"sql": "fieldmerge_sql"}


OLDEST_TRANSACTION = text(
    "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


class Database:
    """The two pools of a web process: requests as the app role, the sequencer as the engine role."""

    def __init__(self, config: Config) -> None:
        """Make the pools; nothing connects before the first use."""
        # A request that hangs between two statements must not hold its locks for ever. A pooler takes no options.
        args: dict[str, Any] = (
            {"prepare_threshold": None}
            if config.pooled
            else {"options": f"-c idle_in_transaction_session_timeout=60000 {NO_JIT}"}
        )
        self.app: Engine = create_engine(
            sqlalchemy_url(config.database_url),
            pool_size=config.pool_size,
            max_overflow=config.pool_size,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args=args | {"application_name": "fieldmerge-app"},
            json_serializer=compact_json,
        )
        self.engine: Engine = create_engine(
            sqlalchemy_url(config.database_engine_url),
            pool_size=2,
            max_overflow=2,
            pool_timeout=5,
            # Never prepared: a plan made for one mark on small tables, kept, took minutes for an import's.
            connect_args={
                "application_name": "fieldmerge-engine",
                "prepare_threshold": None,
                "options": NO_JIT,
            },
        )
        self._session = sessionmaker(self.app, expire_on_commit=False)
        self.at_once = AtOnce(prepares=not config.pooled)

    @contextmanager
    def session(
        self,
        tenant_id: UUID | None,
        *,
        user_id: UUID | None = None,
        device_id: UUID | None = None,
        actor: str | None = None,
    ) -> Iterator[Session]:
        """A session in one transaction: commits at the end, rolls back on any error.

        Args:
            tenant_id: Whose rows it may touch; ``None`` sees none at all.
            user_id: Who writes, for the ledger.
            device_id: On which device.
            actor: ``kind:name`` of a writer that is no person, as ``job:missed_visits`` or ``import:erp``.
        """
        with self._session.begin() as session:
            set_writer(session, tenant_id, user_id=user_id, device_id=device_id, actor=actor)
            yield session

    @contextmanager
    def begun(
        self, said: Sequence[Said], *, begin: str = "BEGIN"
    ) -> Iterator[tuple[Session, list[list[Any]]]]:
        """A session in one transaction that begins with *said*, all of it in one message, and what that gave.

        It commits at the end, unless it was ended before, and rolls back on any error.

        Args:
            said: The statements; the first of them says whose rows are touched.
            begin: How the transaction begins.
        """
        with self.app.connect() as raw:
            # The driver would begin it by a message of its own.
            connection = raw.execution_options(isolation_level="AUTOCOMMIT")
            with Session(connection, expire_on_commit=False) as session, session.begin():
                pooled = session.connection().connection
                yield session, self.at_once.ask(pooled, said, begin=begin)

    def end(self, session: Session, said: Sequence[Said], *, as_prepared: bool = False) -> list[list[Any]]:
        """End the transaction of a session that was ``begun``: the last statements and COMMIT in one message.

        Args:
            session: The one.
            said: The statements.
            as_prepared: The caller makes the transaction anew where it fails, so that they may be prepared ones.
        """
        session.flush()
        pooled = session.connection().connection
        return self.at_once.close(pooled, said, end="COMMIT", as_prepared=as_prepared)

    def tell(self, said: Sequence[Said]) -> None:
        """Send statements at once, as one transaction; the first of them says whose rows they touch."""
        pooled = self.app.raw_connection()
        try:
            self.at_once.ask(pooled, said, begin="BEGIN", end="COMMIT")
        except DBAPIError:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

    def oldest_transaction_s(self) -> float:
        """Age of the oldest transaction of requests and of the engine; what other roles do is not shown to them."""
        ages = []
        for pool in (self.app, self.engine):
            with pool.connect() as connection:
                ages.append(connection.execute(OLDEST_TRANSACTION).scalar_one())
        return float(max(ages))

    def dispose(self) -> None:
        """Close all pooled connections."""
        self.app.dispose()
        self.engine.dispose()


def set_writer(
    session: Session,
    tenant_id: UUID | None,
    *,
    user_id: UUID | None = None,
    device_id: UUID | None = None,
    actor: str | None = None,
) -> None:
    """Tell the running transaction whose rows it may touch and who writes (SET LOCAL, pooling-safe)."""
    session.execute(WRITER, writer_values(tenant_id, user_id=user_id, device_id=device_id, actor=actor))


WRITER = text(
    "SELECT set_config('app.tenant', :tenant, true) AS tenant, set_config('app.user', :user, true) AS by_user,"
    " set_config('app.device', :device, true) AS device, set_config('app.actor', :actor, true) AS actor"
)

# A statement that looks for a few rows by their keys takes as long to plan as to run: it is planned once, along
# indexes however small the tables were then.
WRITER_BY_KEYS = text(
    f"{WRITER.text}, set_config('plan_cache_mode', 'force_generic_plan', true) AS planned,"
    " set_config('enable_seqscan', 'off', true) AS along"
)


def writer_values(
    tenant_id: UUID | None,
    *,
    user_id: UUID | None = None,
    device_id: UUID | None = None,
    actor: str | None = None,
) -> dict[str, str]:
    """What ``WRITER`` is sent with."""
    return {
        "tenant": str(tenant_id or ""),
        "user": str(user_id or ""),
        "device": str(device_id or ""),
        "actor": actor or "",
    }


@contextmanager
def savepoint(session: Session) -> Iterator[SessionTransaction]:
    """A savepoint that exists at once: ``begin_nested`` alone sends it only when the session is next used,
    too late for statements that go by the connection.
    """
    with session.begin_nested() as nested:
        session.connection()
        yield nested
