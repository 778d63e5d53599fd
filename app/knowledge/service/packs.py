"""Offline packs: what phones are given, within the company's budget, and what was left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor, Role, ShapeClass
from app.knowledge.models import KnowledgePack, PackBudget, PackFill, PackOmission
from app.knowledge.queries import articles as queries
from app.knowledge.queries import packs as pack_queries
from app.knowledge.service.records import require_editor

KB: Final = 1_000
DEFAULT_BUDGET_KB: Final[Mapping[ShapeClass, int]] = {
    ShapeClass.SALES: 20_000,
    ShapeClass.SERVICE: 20_000,
    ShapeClass.MANAGER: 5_000,
    ShapeClass.PARTNER: 10_000,
}
NAMED: Final = 100
"""How many of what was left out are named; all are counted."""


@dataclass(slots=True)
class _Pack:
    """What the readers of one bucket are given."""

    size: int = 0
    included: int = 0
    left_out: list[Any] = field(default_factory=list)


def list_packs(session: Session, actor: Actor) -> Select[KnowledgePack]:
    """The packs that the actor's phones are given; editors see all."""
    statement = select(KnowledgePack).where(
        KnowledgePack.tenant_id == actor.tenant_id, KnowledgePack.deleted_at.is_(None)
    )
    if queries.is_editor(actor):
        return statement
    return statement.where(
        KnowledgePack.bucket.in_(sorted(actor.scope.buckets)), KnowledgePack.shape == actor.scope.shape
    )


def budgets_of(session: Session, tenant_id: UUID) -> dict[ShapeClass, int]:
    """How many kilobytes the phones of each class are given."""
    rows = session.scalars(select(PackBudget).where(PackBudget.tenant_id == tenant_id))
    return dict(DEFAULT_BUDGET_KB) | {row.shape: row.kilobytes for row in rows}


def get_budgets(session: Session, actor: Actor) -> dict[ShapeClass, int]:
    """The same, for editors.

    Raises:
        Forbidden: The actor is a reader.
    """
    require_editor(actor)
    return budgets_of(session, actor.tenant_id)


def set_budgets(
    session: Session, actor: Actor, kilobytes: Mapping[ShapeClass, int], *, now: datetime
) -> dict[ShapeClass, int]:
    """Give classes another budget; phones get or lose what follows with their next sync.

    Raises:
        Forbidden: Only administrators say how full phones may be.
    """
    require_editor(actor)
    if actor.role is not Role.ADMIN:
        raise Forbidden
    _hold(session, actor.tenant_id)
    held = {
        row.shape: row
        for row in session.scalars(select(PackBudget).where(PackBudget.tenant_id == actor.tenant_id))
    }
    for shape, value in kilobytes.items():
        if shape in held:
            held[shape].kilobytes = value
        else:
            session.add(PackBudget(tenant_id=actor.tenant_id, id=new_id(), shape=shape, kilobytes=value))
    session.flush()
    fill_packs(session, actor.tenant_id, now=now)
    return budgets_of(session, actor.tenant_id)


def fill_packs(session: Session, tenant_id: UUID, *, now: datetime) -> int:
    """Decide again what fits: the most important first, and what must be read whether it fits or not.

    Args:
        session: Open session of the tenant; the caller commits.
        tenant_id: Whose phones.
        now: Server time, aware UTC.

    Returns:
        How many versions came into a pack or left one.
    """
    budgets = budgets_of(session, tenant_id)
    if pack_queries.all_fits(session, tenant_id, min(budgets.values()) * KB):
        return 0
    _hold(session, tenant_id)
    seen = pack_queries.filled_from(session, tenant_id)
    if session.scalar(select(PackFill.seen).where(PackFill.tenant_id == tenant_id)) == seen:
        return 0
    session.merge(PackFill(tenant_id=tenant_id, seen=seen))
    rows = pack_queries.packable(session, tenant_id)
    omitted = {
        (row.version_id, shape)
        for shape in ShapeClass
        for row in left_out([row for row in rows if row.shape == shape], budgets[shape] * KB)
    }
    moved = _write_omissions(session, tenant_id, omitted)
    _write_packs(session, tenant_id, rows, omitted, budgets)
    return moved


def left_out(rows: Iterable[Any], budget: int) -> list[Any]:
    """The rows for which a budget in bytes has no room, in their order: most important first.

    A smaller one may still fit after a large one did not. What must be read takes its room first, and is never
    left out, though it alone fill or pass the budget.

    Args:
        rows: ``must_read``, ``size``, and what they are ordered by; each version once.
        budget: In bytes.
    """
    room = budget
    omitted = []
    for row in rows:
        if not row.must_read and row.size > room:
            omitted.append(row)
        else:
            room -= row.size
    return omitted


def _hold(session: Session, tenant_id: UUID) -> None:
    """Let one fill at a time; the later one sees what the earlier did."""
    session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"knowledge_packs:{tenant_id}", 0)))
    )


def _write_omissions(session: Session, tenant_id: UUID, omitted: set[tuple[UUID, ShapeClass]]) -> int:
    held = {
        (row.version_id, row.shape)
        for row in session.execute(
            select(PackOmission.version_id, PackOmission.shape).where(PackOmission.tenant_id == tenant_id)
        )
    }
    for version_id, shape in held - omitted:
        session.execute(
            delete(PackOmission).where(
                PackOmission.tenant_id == tenant_id,
                PackOmission.version_id == version_id,
                PackOmission.shape == shape,
            )
        )
    come = [
        {"tenant_id": tenant_id, "version_id": version_id, "shape": shape}
        for version_id, shape in sorted(omitted - held, key=str)
    ]
    if come:
        session.execute(insert(PackOmission), come)
    return len(held ^ omitted)


def _write_packs(
    session: Session,
    tenant_id: UUID,
    rows: Iterable[Any],
    omitted: set[tuple[UUID, ShapeClass]],
    budgets: Mapping[ShapeClass, int],
) -> None:
    """Tell each audience of its own pack, where anything was left out of it or had been."""
    packs: dict[tuple[str, ShapeClass], _Pack] = defaultdict(_Pack)
    for row in rows:
        for bucket in row.buckets:
            pack = packs[bucket, row.shape]
            if (row.version_id, row.shape) in omitted:
                pack.left_out.append(row)
            else:
                pack.size += row.size
                pack.included += 1
    held = {
        (row.bucket, row.shape): row
        for row in session.scalars(select(KnowledgePack).where(KnowledgePack.tenant_id == tenant_id))
    }
    for key in sorted(held.keys() | {key for key, pack in packs.items() if pack.left_out}):
        bucket, shape = key
        record = held.get(key) or KnowledgePack(tenant_id=tenant_id, id=new_id(), bucket=bucket, shape=shape)
        pack = packs[key]
        told = [
            {"article_id": str(row.article_id), "version_id": str(row.version_id), "title": row.title}
            for row in pack.left_out[:NAMED]
        ]
        if record.left_out != told:  # a column of type json is told to have changed whenever it is set
            record.left_out = told
        record.budget_kb = budgets[shape]
        record.size_kb = -(-pack.size // KB)
        record.included = pack.included
        record.omitted = len(pack.left_out)
        session.add(record)
    session.flush()
