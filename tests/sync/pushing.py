"""What the tests of push have in common: one mutation at a time, and rooms that misbehave."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.http.services import services
from app.sync_api.registry import BY_NAME
from tests.world import Person, World

Json = dict[str, Any]


def push(person: Person, mutation: Mapping[str, Any], **body: Any) -> Json:
    """Sync one mutation; its verdict."""
    (verdict,) = person.sync(mutation, **body)
    return verdict


def told(verdict: Mapping[str, Any]) -> tuple[str, str | None]:
    """Status and code."""
    return verdict["status"], verdict["code"]


def outcomes(verdict: Mapping[str, Any]) -> dict[str, str]:
    """Outcome of each field."""
    return {name: field["outcome"] for name, field in verdict["fields"].items()}


def row(world: World, table: str, record_id: UUID | str) -> Json:
    """A record as it stands in its table."""
    (found,) = world.sql(
        f"SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = :tenant AND id = :id", id=record_id
    )
    return dict(found[0])


def ledger(world: World, record_id: UUID | str, *, op: str | None = None) -> list[Json]:
    """Changes of a record, oldest first."""
    found = world.sql(
        "SELECT to_jsonb(c) FROM changes c WHERE tenant_id = :tenant AND record_id = :id"
        " AND (CAST(:op AS text) IS NULL OR op = :op) ORDER BY id",
        id=record_id,
        op=op,
    )
    return [dict(found_row[0]) for found_row in found]


def misbehave(monkeypatch: pytest.MonkeyPatch, entity: str, **verbs: Any) -> None:
    """Put other verbs in place of a room's."""
    monkeypatch.setitem(BY_NAME, entity, replace(BY_NAME[entity], **verbs))


def before(verb: Callable[..., Any], done: Callable[..., None]) -> Callable[..., Any]:
    """A verb that does something else first; *done* is given the verb's arguments."""

    def both(*args: Any, **kwargs: Any) -> Any:
        done(*args, **kwargs)
        return verb(*args, **kwargs)

    return both


def kill(world: World, pid: int) -> None:
    """End a backend of the app role, as a crash of the database does."""
    with psycopg.connect(services(world.app).config.database_url, autocommit=True) as same_role:
        same_role.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def given(world: World, person: Person) -> None:
    """Note that the person's phones hold all that lies in their buckets by now."""
    world.engine_sql(
        "INSERT INTO sync_given (tenant_id, user_id, bucket, shape, position)"
        " SELECT DISTINCT s.tenant_id, s.user_id, f.bucket, f.shape, h.position"
        " FROM sync_subscriptions s JOIN sync_heads h ON h.tenant_id = s.tenant_id"
        " JOIN sync_feed f ON f.tenant_id = s.tenant_id AND f.bucket = s.bucket"
        " WHERE s.tenant_id = :tenant AND s.user_id = :user"
        " ON CONFLICT (tenant_id, user_id, bucket, shape) DO UPDATE SET position = excluded.position",
        user=person.id,
    )
