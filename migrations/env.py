"""Runs the migrations as the owner role; nothing else of the application is needed."""

from alembic import context
from sqlalchemy import create_engine, pool

from app.config import Config
from app.core.db import Base, role_names, sqlalchemy_url
from app.factory import ROOMS  # noqa: F401  (importing the rooms fills Base.metadata)

config = context.config
settings: Config = config.attributes.get("settings") or Config.from_env()
config.attributes["roles"] = role_names(settings)


def include_object(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Tables of the engine are plain SQL and have no models."""
    return not (reflected and compare_to is None and kind in {"table", "index"} and name in ENGINE_OBJECTS)


ENGINE_OBJECTS = {
    "changes", "sql_users", "ix_changes_record", "ix_changes_account", "sync_epochs", "sync_heads", "sync_drain",
    "sync_pending", "sync_feed", "ix_sync_feed_position", "ix_sync_feed_record", "sync_subscriptions",
    "ix_sync_subscriptions_bucket", "sync_subscription_sets", "sync_quarantine", "sync_alarms", "sync_windows",
    "sync_devices", "sync_mutations", "ix_sync_mutations_record", "ix_sync_mutations_rejected",
}  # fmt: skip


def run() -> None:
    """Apply what is missing in one transaction per migration, one runner at a time."""
    engine = create_engine(sqlalchemy_url(settings.database_owner_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(7366401)")  # one runner at a time; ends with the connection
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=include_object,
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
