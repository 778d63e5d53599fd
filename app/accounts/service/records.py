"""What all records of this room have in common: scope, permission, references, constraints."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    column,
    exists,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.accounts.models import Account, AccountContact, AccountRelation, Contact, Site
from app.accounts.service.errors import AccountCodeTaken, FieldNotYours, RelationTaken
from app.accounts.service.rules import SALES_ONLY
from app.core.errors import DomainError, Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.scope import (
    Actor,
    Role,
    Scope,
    ShapeClass,
    kind_of,
    sees_account,
    sees_child_of_account,
    values_of,
)
from sync.stores.driver import Said

Record = TypeVar("Record", Account, Site, Contact, AccountContact, AccountRelation)
Child = TypeVar("Child", Site, Contact, AccountContact, AccountRelation)

OFFICE: Final = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
SALES_ROLES: Final = (Role.REP, *OFFICE)

# What a technician may write: how to reach the place, never what was sold to it.
TECHNICIAN_WRITES: Final[Mapping[type[Any], frozenset[str]]] = {
    Account: frozenset(
        {"phone", "postcode", "sido", "sigungu", "address", "location", "opening_hours", "tags", "notes"}
    ),
    Site: frozenset({"postcode", "sido", "sigungu", "address", "location", "opening_hours"}),
    Contact: frozenset({"phone", "job_title"}),
}
PARTNER_WRITES: Final[Mapping[type[Any], frozenset[str]]] = {
    Contact: frozenset({"name", "phone", "email", "job_title"})
}

_HELD: Final = "held"
_NOBODY: Final = UUID(int=0)
_DIALECT = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy types it partly
_TAKEN: Final[Mapping[str, type[DomainError]]] = {
    "uq_accounts_tenant_id_code": AccountCodeTaken,
    "uq_account_relations_tenant_id_account_id_to_account_id_kind": RelationTaken,
    **{
        f"pk_{model.__tablename__}": IdTaken
        for model in (Account, Site, Contact, AccountContact, AccountRelation)
    },
}


def scope_of(actor: Actor, model: type[Any]) -> ColumnElement[bool]:
    """Whether the actor's scope holds a record of *model*; one that hangs on two accounts needs both."""
    if model is Account:
        return sees_account(actor.scope, Account)
    holds = sees_child_of_account(actor.scope, model)
    if model is AccountRelation:
        other = SimpleNamespace(tenant_id=model.tenant_id, account_id=model.to_account_id)
        return and_(holds, sees_child_of_account(actor.scope, other))
    if model is AccountContact:
        person = aliased(Contact)
        return and_(
            holds,
            exists(
                select(literal(1)).where(
                    person.tenant_id == model.tenant_id,
                    person.id == model.contact_id,
                    person.deleted_at.is_(None),
                    sees_child_of_account(actor.scope, person),
                )
            ),
        )
    return holds


def in_scope(actor: Actor, model: type[Record]) -> Select[Record]:
    """The live records of *model* that the actor may see."""
    return select(model).where(
        model.tenant_id == actor.tenant_id, model.deleted_at.is_(None), scope_of(actor, model)
    )


def get_record(
    session: Session, actor: Actor, model: type[Record], record_id: UUID, *, lock: bool = False
) -> Record:
    """One record of the scope; NotFound for foreign, deleted and unknown ids alike.

    With *lock* the row is held against other writers, but not against foreign keys that point to it.
    """
    statement = in_scope(actor, model).where(model.id == record_id)
    if lock:
        statement = statement.with_for_update(of=model, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound()
    return found


def lock_records(
    session: Session, actor: Actor, model: type[Record], ids: Collection[UUID], names: Collection[str]
) -> dict[UUID, Row[Any]]:
    """Columns of many records of the scope, held as by ``get_record``, in the order of their ids.

    Raises:
        NotFound: One of them is foreign, deleted or unknown.
    """
    found = _held(session, model, ids, names) or _locked(session, actor, model, ids, names)
    if len(found) < len(ids):
        raise NotFound()
    return found


def holding(actor: Actor, model: type[Record], record_id: UUID, names: Iterable[str]) -> Said:
    """The statement of ``lock_records`` for one record, to be sent together with others.

    What it gives is for ``held``.
    """
    columns = tuple(sorted(name for name in names if name in model.__table__.c))
    scope = actor.scope
    said, constants = _holding(model, scope.role, bool(scope.territory_ids), columns)
    own = {"scope_tenant": actor.tenant_id, "record_ids": [record_id]}
    return said, {**constants, **own, **values_of(scope)}


def held(session: Session, model: type[Record], rows: Sequence[Any]) -> bool:
    """Keep what ``holding`` gave for the ``lock_records`` that follows, which then asks nobody.

    Only in a transaction in which the record is not written between, and no savepoint rolled back.

    Returns:
        Whether the record is in the scope.
    """
    session.info[_HELD, model] = {row.id: row for row in rows}
    return bool(rows)


@lru_cache(maxsize=1024)
def _holding(
    model: type[Record], role: Role, has_territories: bool, columns: tuple[str, ...]
) -> tuple[str, Mapping[str, Any]]:
    """Its text, made once for all scopes of a kind: SQLAlchemy would take longer to find it again than to send it."""
    territories = frozenset({_NOBODY} if has_territories else ())
    scope = kind_of(Scope(_NOBODY, role, territories, frozenset(), datetime.min.replace(tzinfo=UTC)))
    actor = Actor(bindparam("scope_tenant", type_=Uuid()), _NOBODY, None, scope)  # type: ignore[arg-type]
    ids = bindparam("record_ids", type_=ARRAY(Uuid()))
    compiled = _locking(actor, model, ids, columns).compile(dialect=_DIALECT)
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


def _held(
    session: Session, model: type[Record], ids: Collection[UUID], names: Collection[str]
) -> dict[UUID, Any]:
    """What was held, if it is just that; once, since it is written next."""
    found: dict[UUID, Any] = session.info.pop((_HELD, model), {})
    is_that = found.keys() == set(ids) and all(set(names) <= set(row._fields) for row in found.values())
    return found if is_that else {}


def _locked(
    session: Session, actor: Actor, model: type[Record], ids: Collection[UUID], names: Collection[str]
) -> dict[UUID, Any]:
    statement = _locking(actor, model, literal(list(ids), ARRAY(Uuid())), names)
    return {row.id: row for row in session.execute(statement)}


def _locking(
    actor: Actor, model: type[Record], ids: ColumnElement[Any], names: Collection[str]
) -> Select[Any]:
    columns = [model.__table__.c[name] for name in sorted({"id", "version", *names})]
    return (
        in_scope(actor, model)
        .with_only_columns(*columns)
        .where(model.id == func.any(ids))
        .order_by(model.id)
        .with_for_update(of=model, key_share=True)
    )


def refer_to(session: Session, actor: Actor, model: type[Record], record_id: UUID, field: str) -> Record:
    """A record that another will point to, held so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such record in the actor's scope.
    """
    statement = in_scope(actor, model).where(model.id == record_id).with_for_update(of=model, read=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise ReferenceNotFound(field=field)
    return found


def check_id_free(session: Session, actor: Actor, model: type[Record], record_id: UUID | None) -> None:
    """Refuse an id that is in use, also by a deleted record or one outside the scope."""
    if record_id is None:
        return
    if session.scalar(select(model.id).where(model.tenant_id == actor.tenant_id, model.id == record_id)):
        raise IdTaken()


def allow(actor: Actor, *roles: Role) -> None:
    """Refuse other roles."""
    if actor.role not in roles:
        raise Forbidden()


def check_fields(actor: Actor, model: type[Any], sent: Iterable[str], differing: Iterable[str]) -> None:
    """Refuse fields that the actor's role may not write.

    Args:
        actor: Who writes.
        model: What is written.
        sent: All fields sent; those that the role may not see are refused even when they say nothing new,
            or sending would be a way of asking.
        differing: Those that say something else than the record.
    """
    if actor.scope.shape is ShapeClass.SERVICE:
        refused = set(differing) - TECHNICIAN_WRITES.get(model, frozenset()) | set(sent) & SALES_ONLY
    elif actor.scope.shape is ShapeClass.PARTNER:
        refused = set(differing) - PARTNER_WRITES.get(model, frozenset())
    else:
        return
    if refused:
        raise FieldNotYours(fields=sorted(refused))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with enum members as the texts that the columns hold."""
    return {field: _plain(value) for field, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    return [_plain(item) for item in value] if isinstance(value, list) else value


def changed(record: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The part of *changes* that says something else than the record."""
    return {field: value for field, value in changes.items() if getattr(record, field) != value}


def assign(record: Any, values: Mapping[str, Any]) -> None:
    """Set the fields."""
    for field, value in values.items():
        setattr(record, field, value)


def flush(session: Session) -> None:
    """Write what was changed; two writers of one code are told apart by the constraint."""
    with taken():
        session.flush()


@contextmanager
def taken() -> Iterator[None]:
    """Tell of a code, a relation or an id that another writer took at the same moment."""
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if name is not None and name in _TAKEN:
            raise _TAKEN[name]() from error
        raise


def light(name: str, *columns: str) -> Any:
    """A table of another room, with the few columns that a rule here reads."""
    return table(name, *(column(c, Uuid()) if c.endswith("id") else column(c) for c in columns))
