"""Runs the migrations as the owner role; nothing else of the application is needed."""

from alembic import context
from sqlalchemy import create_engine, pool, types
from sqlalchemy.dialects.postgresql.base import ischema_names

from app.config import Config
from app.core.db import Base, role_names, sqlalchemy_url
from app.factory import ROOMS  # noqa: F401  (importing the rooms fills Base.metadata)

config = context.config
settings: Config = config.attributes.get("settings") or Config.from_env()
config.attributes["roles"] = role_names(settings)


# Tables of the engine are plain SQL and have no models: all that are named sync_…, and these.
ENGINE_TABLES = {"changes", "sandbox_rows", "sql_users"}


class Xid8(types.UserDefinedType[int]):
    """A transaction's number: with many tables all of the database are read, also those that are not compared."""

    cache_ok = True


ischema_names["xid8"] = Xid8


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """What is compared with the models."""
    is_engines = name is not None and (name in ENGINE_TABLES or name.startswith("sync_"))
    return not (kind == "table" and is_engines)


def run() -> None:
    """Apply what is missing in one transaction per migration, one runner at a time."""
    engine = create_engine(sqlalchemy_url(settings.database_owner_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_advisory_lock(7366401)"
        )  # one runner at a time; ends with the connection
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=include_name,
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
