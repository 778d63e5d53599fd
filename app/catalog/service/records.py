"""What all records of this room have in common: scope, permission, parts, references, constraints."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, literal, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalog import queries
from app.catalog.models import (
    CurrencyRounding,
    Price,
    PriceList,
    PriceListAssignment,
    Product,
    PromotionAccount,
    PromotionRow,
    TaxCode,
)
from app.catalog.service.errors import CatalogInvalid, CodeTaken
from app.core.errors import Forbidden, HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.scope import Actor, Role

Record = TypeVar(
    "Record",
    CurrencyRounding,
    TaxCode,
    Product,
    PriceList,
    PriceListAssignment,
    Price,
    PromotionRow,
    PromotionAccount,
)

WRITERS: Final = (Role.ADMIN, Role.INTEGRATION)

# What a record is known by; another one is a new record.
FIXED: Final[Mapping[type[Any], frozenset[str]]] = {
    CurrencyRounding: frozenset({"code"}),
    TaxCode: frozenset({"code"}),
    Product: frozenset({"sku", "base_unit"}),
    PriceList: frozenset({"code", "kind", "currency"}),
    PriceListAssignment: frozenset({"price_list_id", "account_id", "territory_id", "everybody"}),
    Price: frozenset({"price_list_id", "product_id", "valid_from"}),
    PromotionRow: frozenset({"code"}),
    PromotionAccount: frozenset({"promotion_id", "account_id"}),
}

# What keeps a record from being deleted: entity, table, column.
DEPENDANTS: Final[Mapping[type[Any], tuple[tuple[str, type[Any], str], ...]]] = {
    Product: (("price", Price, "product_id"), ("promotion", PromotionRow, "free_product_id")),
    PriceList: (
        ("price", Price, "price_list_id"),
        ("price_list_assignment", PriceListAssignment, "price_list_id"),
    ),
    PromotionRow: (("promotion_account", PromotionAccount, "promotion_id"),),
}

Check = Callable[[Session, Actor, Any], None]


def scope_of(actor: Actor, model: type[Any]) -> ColumnElement[bool]:
    """Whether the actor may know a record."""
    if model is PriceList:
        return queries.sees_list(actor, PriceList.id)
    if model is Price:
        return queries.sees_list(actor, Price.price_list_id)
    if model is PriceListAssignment:
        return queries.sees_terms(actor) & queries.sees_assignment(actor.scope, PriceListAssignment)
    if model is PromotionRow:
        return queries.sees_promotion(actor)
    if model is PromotionAccount:
        return queries.sees_promotion_account(actor)
    return true()


def in_scope(actor: Actor, model: type[Record]) -> Select[Record]:
    """The live records of *model* that the actor may see."""
    return select(model).where(
        model.tenant_id == actor.tenant_id, model.deleted_at.is_(None), scope_of(actor, model)
    )


def get_record(
    session: Session, actor: Actor, model: type[Record], record_id: UUID, *, lock: bool = False
) -> Record:
    """One record of the scope; NotFound for foreign, deleted and unknown ids alike."""
    statement = in_scope(actor, model).where(model.id == record_id)
    if lock:
        statement = statement.with_for_update(of=model, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def refer_to(session: Session, actor: Actor, model: type[Record], record_id: UUID, field: str) -> Record:
    """A record that another will name, held until commit so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such record in the actor's scope.
    """
    statement = in_scope(actor, model).where(model.id == record_id).with_for_update(of=model, read=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise ReferenceNotFound(field=field)
    return found


def create_record(
    session: Session, actor: Actor, model: type[Record], values: Mapping[str, Any], check: Check
) -> Record:
    """A new record of the office's.

    Raises:
        Forbidden: Only administrators and integrations keep the catalogue.
        IdTaken, CodeTaken: In use.
        CatalogInvalid, ReferenceNotFound: As *check* says.
    """
    _allow(actor)
    record_id = values.get("id")
    if record_id and session.scalar(
        select(literal(1)).where(model.tenant_id == actor.tenant_id, model.id == record_id)
    ):
        raise IdTaken
    record = model(tenant_id=actor.tenant_id, **_without_parts(values))
    _take_parts(record, values)
    return _checked(session, actor, record, check)


def update_record(
    session: Session,
    actor: Actor,
    model: type[Record],
    record_id: UUID,
    changes: Mapping[str, Any],
    check: Check,
) -> Record:
    """Change fields; parts as a whole list.

    Raises:
        NotFound: No such record.
        Forbidden, CodeTaken, CatalogInvalid, ReferenceNotFound: As at creation; a field that the record is known
            by stays as it is.
    """
    record = get_record(session, actor, model, record_id, lock=True)
    _allow(actor)
    moved = {name for name in FIXED[model] & changes.keys() if getattr(record, name) != changes[name]}
    if moved:
        raise CatalogInvalid(fields=dict.fromkeys(sorted(moved), "read_only_field"))
    for name, value in _without_parts(changes).items():
        setattr(record, name, value)
    _take_parts(record, changes)
    return _checked(session, actor, record, check)


def delete_record(
    session: Session, actor: Actor, model: type[Record], record_id: UUID, *, now: datetime
) -> None:
    """Take a record out of the catalogue; its history stays.

    Raises:
        NotFound, Forbidden: As above.
        HasDependants: Live records name it. ``details``: ``dependants``.
    """
    record = get_record(session, actor, model, record_id, lock=True)
    _allow(actor)
    hanging = [
        entity
        for entity, other, column in DEPENDANTS.get(model, ())
        if session.scalar(
            select(
                exists().where(
                    other.tenant_id == actor.tenant_id,
                    getattr(other, column) == record_id,
                    other.deleted_at.is_(None),
                )
            )
        )
    ]
    if hanging:
        raise HasDependants(dependants=hanging)
    if isinstance(record, Price):
        record.items = []  # each step that is taken back is a change of price
    record.deleted_at = now
    session.flush()


def check_days(record: Any) -> None:
    """Refuse a span that ends before it begins."""
    if record.valid_from and record.valid_to and record.valid_to < record.valid_from:
        raise CatalogInvalid(fields={"valid_to": "value_out_of_range"})


@contextmanager
def taken() -> Iterator[None]:
    """Tell of a code or a key that is in use."""
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if name.startswith("uq_"):
            raise CodeTaken from error
        if name.startswith("pk_"):
            raise IdTaken from error
        raise


def _allow(actor: Actor) -> None:
    if actor.role not in WRITERS:
        raise Forbidden


def _checked(session: Session, actor: Actor, record: Record, check: Check) -> Record:
    with session.no_autoflush:
        check(session, actor, record)
    with taken():
        if record not in session:
            session.add(record)
        session.flush()
    session.refresh(record)
    return record


_PARTS: Final[Mapping[str, tuple[str, ...]]] = {"units": ("unit",), "items": ("unit", "min_quantity")}


def _without_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _PARTS}


def _take_parts(record: Any, values: Mapping[str, Any]) -> None:
    """Make the parts those that were sent: known by their key, so that what was not sent of one stays."""
    for name in _PARTS.keys() & values.keys():
        key, rows = _PARTS[name], list(values[name])
        if isinstance(record, Product) and record.base_unit not in {row["unit"] for row in rows}:
            rows.append({"unit": record.base_unit, "factor": Decimal(1)})
        held = {tuple(getattr(part, k) for k in key): part for part in getattr(record, name)}
        kind = type(record).__mapper__.relationships[name].mapper.class_
        wanted = []
        for row in rows:
            part = held.get(tuple(row[k] for k in key)) or kind(tenant_id=record.tenant_id)
            for field, value in row.items():
                if field != "id" or part not in held.values():
                    setattr(part, field, value)
            wanted.append(part)
        _check_once(name, (tuple(row[k] for k in key) for row in rows))
        setattr(record, name, wanted)


def _check_once(name: str, keys: Iterable[Any]) -> None:
    found: Collection[Any] = list(keys)
    if len(set(found)) < len(found):
        raise CatalogInvalid(fields={name: "duplicate_item"})
