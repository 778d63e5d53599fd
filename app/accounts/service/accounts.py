"""What may be done with accounts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.accounts.models import Account, AccountContact, AccountRelation, Contact, Site
from app.accounts.service.errors import (
    AccountCodeTaken,
    AccountInvalid,
    AccountParentCycle,
    AccountReassignNotAllowed,
)
from app.accounts.service.records import (
    OFFICE,
    SALES_ROLES,
    allow,
    changed,
    check_fields,
    check_id_free,
    flush,
    get_record,
    held,
    holding,
    in_scope,
    light,
    lock_records,
    plain,
    refer_to,
    taken,
)
from app.accounts.service.rules import mask_free_text, not_in_the_future, wrong_fields
from app.core.errors import HasDependants, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.many import write_rows
from app.core.scope import Actor, Role
from app.identity import service as identity
from sync.stores.driver import Said

_visits = light("visits", "tenant_id", "id", "account_id", "deleted_at")
_tasks = light("tasks", "tenant_id", "id", "account_id", "deleted_at")
_invoices = light("invoices", "tenant_id", "id", "account_id", "deleted_at")
_payments = light("payments", "tenant_id", "id", "account_id", "deleted_at")
_orders = light("orders", "tenant_id", "id", "account_id", "deleted_at")

REASSIGNING = ("territory_id", "owner_id")
BOUND_FIELDS = frozenset({*REASSIGNING, "code", "parent_id"})
"""Fields that the rules of other records read: who sees what, the tree, and codes that are in use."""
_LAST_CHARACTER = "\U0010ffff"
_COMPANIONS = (("credit_limit", "credit_currency"), ("estimated_wallet", "estimated_wallet_currency"))


def list_accounts(
    session: Session,
    actor: Actor,
    *,
    territory_id: UUID | None = None,
    owner_id: UUID | None = None,
    kind: str | None = None,
    tier: str | None = None,
    q: str | None = None,
    updated_since: datetime | None = None,
) -> Select[Account]:
    """The accounts of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        territory_id: Of this territory only, without its descendants.
        owner_id: Of this owner only.
        kind: With this kind among others.
        tier: Of this tier.
        q: Beginning of the name (without spaces, case and legal form) or of the code.
        updated_since: Changed at or after this moment.
    """
    statement = in_scope(actor, Account)
    if territory_id is not None:
        statement = statement.where(Account.territory_id == territory_id)
    if owner_id is not None:
        statement = statement.where(Account.owner_id == owner_id)
    if kind is not None:
        statement = statement.where(Account.kinds.contains([kind]))
    if tier is not None:
        statement = statement.where(Account.tier == tier)
    if q is not None and q.strip():
        statement = statement.where(_begins_with(q.strip()))
    if updated_since is not None:
        statement = statement.where(Account.updated_at >= updated_since)
    return statement


def _begins_with(q: str) -> ColumnElement[bool]:
    # Comparisons and not LIKE: under row-level security only leakproof operators may use an index.
    key = func.lower(func.regexp_replace(q, r"(㈜|\(주\)|주식회사|[[:space:]]+)", "", "g"))
    return or_(
        and_(Account.search_key >= key, Account.search_key <= key.concat(_LAST_CHARACTER)),
        and_(Account.code >= q, Account.code <= q + _LAST_CHARACTER),
    )


def get_account(session: Session, actor: Actor, account_id: UUID, *, lock: bool = False) -> Account:
    """One account of the scope.

    Raises:
        NotFound: No such account in the actor's scope.
    """
    return get_record(session, actor, Account, account_id, lock=lock)


def refer_to_account(session: Session, actor: Actor, account_id: UUID, field: str = "account_id") -> Account:
    """The account that a new record will hang on, held until commit so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such account in the actor's scope.
    """
    return refer_to(session, actor, Account, account_id, field)


def create_account(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Account:
    """Take a new account into the books.

    Reps own what they create, and so do managers who name neither owner nor territory.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A rep, manager, admin or integration.
        values: Typed fields; ``id`` when a phone minted it.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Technicians and partners create no accounts.
        IdTaken, AccountCodeTaken: In use.
        ReferenceNotFound: Parent, territory or owner is unknown or outside the scope.
        AccountReassignNotAllowed: A rep names another owner.
        AccountInvalid: Values break a rule.
    """
    allow(actor, *SALES_ROLES)
    check_id_free(session, actor, Account, values.get("id"))
    clean = not_in_the_future(mask_free_text(plain(values))[0], now)
    _check_values(clean)
    _set_first_owner(actor, clean)
    if actor.role is Role.REP and not set(clean.get("kinds") or ()) <= {"customer", "prospect"}:
        raise AccountInvalid(fields={"kinds": "choice_unknown"})
    _check_territory(session, actor, clean.get("territory_id"))
    _check_owner(session, actor, clean.get("owner_id"))
    _check_code_free(session, actor, clean.get("code"), None)
    account = Account(tenant_id=actor.tenant_id, **{"id": new_id(), "kinds": ["prospect"], **clean})
    _check_parent(session, actor, account.id, account.parent_id)
    session.add(account)
    flush(session)
    return account


def update_account(
    session: Session, actor: Actor, account_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Account:
    """Change fields of an account; only those that differ count.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone who has the account in scope; a technician only for contact data.
        account_id: Of the scope.
        changes: Typed values of the fields to change.
        now: Server time, aware UTC.

    Raises:
        NotFound: No such account in the actor's scope.
        FieldNotYours: The role may not write one of the fields.
        AccountReassignNotAllowed: Territory or owner change, and the actor may not or not there.
        AccountParentCycle, AccountCodeTaken, ReferenceNotFound, AccountInvalid: As for a new account.
    """
    update_accounts(session, actor, {account_id: changes}, now=now)
    return session.get_one(Account, (actor.tenant_id, account_id), populate_existing=True)


def update_accounts(
    session: Session, actor: Actor, changes: Mapping[UUID, Mapping[str, Any]], *, now: datetime
) -> dict[UUID, int]:
    """The same for many accounts, all or none; gives their versions."""
    accounts = lock_records(session, actor, Account, changes, _read_for(changes.values()))
    writes = {
        account_id: clean
        for account_id, sent in changes.items()
        if (clean := _checked_changes(session, actor, accounts[account_id], sent, now))
    }
    with taken():
        versions = write_rows(session, Account.__table__, actor.tenant_id, writes)
    return {account_id: versions.get(account_id, account.version) for account_id, account in accounts.items()}


def hold_account(actor: Actor, account_id: UUID, changes: Mapping[str, Any]) -> Said:
    """The statement that locks a live account of the scope for ``update_accounts``; answered to ``held_account``."""
    return holding(actor, Account, account_id, _read_for([changes]))


def held_account(session: Session, rows: Sequence[Any]) -> bool:
    """Let the ``update_accounts`` that follows use what was locked; gives whether the account is in the scope."""
    return held(session, Account, rows)


def _read_for(changes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Fields that are looked at to judge changes."""
    sent = {field for one in changes for field in one}
    companions = {field for pair in _COMPANIONS if sent & set(pair) for field in pair}
    return sent | companions | (set(REASSIGNING) if sent & set(REASSIGNING) else set())


def _checked_changes(
    session: Session, actor: Actor, account: Row[Any], sent: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """What is to be written of the fields sent."""
    clean = changed(account, not_in_the_future(mask_free_text(plain(sent))[0], now))
    check_fields(actor, Account, sent, clean)
    _check_values(_with_companions(account, clean))
    _check_reassignment(session, actor, account, clean)
    if "code" in clean:
        _check_code_free(session, actor, clean["code"], account.id)
    if "parent_id" in clean:
        _check_parent(session, actor, account.id, clean["parent_id"])
    return clean


def move_account(
    session: Session,
    actor: Actor,
    account_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Account:
    """Give an account to another territory, another owner, or both; its children go along.

    Raises:
        NotFound: No such account in the actor's scope.
        AccountReassignNotAllowed: The actor is no manager or admin, or one end is outside their scope.
        ReferenceNotFound: No such territory or owner.
    """
    fields = {field: args[field] for field in REASSIGNING if field in args}
    return update_account(session, actor, account_id, fields, now=now)


def delete_account(session: Session, actor: Actor, account_id: UUID, *, now: datetime) -> None:
    """Take an account off the books; its history stays.

    Raises:
        NotFound: No such account in the actor's scope.
        Forbidden: Only managers and admins delete accounts.
        HasDependants: Live records hang on it. ``details``: ``dependants`` (names of entities).
    """
    account = get_account(session, actor, account_id, lock=True)
    allow(actor, Role.MANAGER, Role.ADMIN)
    if hanging := _dependants(session, account):
        raise HasDependants(dependants=hanging)
    account.deleted_at = now
    flush(session)


def note_visit(session: Session, actor: Actor, account_id: UUID, *, at: datetime) -> None:
    """Let ``last_visited_at`` be at least *at*; for the visits room, which has checked the scope."""
    session.execute(
        update(Account)
        .where(
            Account.tenant_id == actor.tenant_id,
            Account.id == account_id,
            or_(Account.last_visited_at.is_(None), Account.last_visited_at < at),
        )
        .values(last_visited_at=at)
        .execution_options(synchronize_session="fetch")
    )


def _check_values(values: Mapping[str, Any]) -> None:
    if wrong := wrong_fields(values):
        raise AccountInvalid(fields=wrong)


def _with_companions(account: Row[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, with what an amount and its currency will be afterwards when one of them changes."""
    touched = [field for pair in _COMPANIONS if changes.keys() & set(pair) for field in pair]
    return {field: getattr(account, field) for field in touched} | dict(changes)


def _set_first_owner(actor: Actor, values: dict[str, Any]) -> None:
    if actor.role is Role.REP:
        if values.setdefault("owner_id", actor.user_id) not in (actor.user_id, None):
            raise AccountReassignNotAllowed()
        if values.get("territory_id") is None:
            values["owner_id"] = actor.user_id  # else nobody, not even its author, would see it
    elif actor.role is Role.MANAGER and values.get("owner_id") is None and values.get("territory_id") is None:
        values["owner_id"] = actor.user_id


def _check_reassignment(
    session: Session, actor: Actor, account: Row[Any], changes: Mapping[str, Any]
) -> None:
    if not any(field in changes for field in REASSIGNING):
        return
    if actor.role not in OFFICE:
        raise AccountReassignNotAllowed()
    scope = actor.scope
    if "territory_id" in changes:
        if not scope.everything and account.territory_id not in (None, *scope.territory_ids):
            raise AccountReassignNotAllowed()
        _check_territory(session, actor, changes["territory_id"])
    if "owner_id" in changes:
        _check_owner(session, actor, changes["owner_id"])


def _check_territory(session: Session, actor: Actor, territory_id: UUID | None) -> None:
    if territory_id is not None:
        identity.reference_territory(session, actor, territory_id, "territory_id")


def _check_owner(session: Session, actor: Actor, owner_id: UUID | None) -> None:
    if owner_id is None or owner_id == actor.user_id:
        return
    identity.reference_user(session, actor, owner_id, "owner_id")
    try:
        identity.get_user(session, actor, owner_id)
    except NotFound:
        raise ReferenceNotFound(field="owner_id") from None


def _check_code_free(session: Session, actor: Actor, code: str | None, account_id: UUID | None) -> None:
    if code is None:
        return
    holder = session.scalar(
        select(Account.id).where(
            Account.tenant_id == actor.tenant_id, Account.code == code, Account.deleted_at.is_(None)
        )
    )
    if holder is not None and holder != account_id:
        raise AccountCodeTaken()


def _check_parent(session: Session, actor: Actor, account_id: UUID, parent_id: UUID | None) -> None:
    """Refuse a parent that is unknown here, or that lies below the account itself.

    The parents above are locked and then read again: of two writers who hang two accounts below each
    other at the same moment one waits and sees what the other did, or deadlocks and retries.
    """
    if parent_id is None:
        return
    if parent_id == account_id:
        raise AccountParentCycle()
    refer_to(session, actor, Account, parent_id, "parent_id")
    above = _ancestors(session, actor, parent_id)
    session.execute(
        select(Account.id)
        .where(Account.tenant_id == actor.tenant_id, Account.id.in_(above))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    if account_id in _ancestors(session, actor, parent_id):
        raise AccountParentCycle()


def _ancestors(session: Session, actor: Actor, account_id: UUID) -> list[UUID]:
    """The account and all above it. UNION, so that a cycle made in SQL ends the walk."""
    walk = (
        select(Account.id, Account.parent_id)
        .where(Account.tenant_id == actor.tenant_id, Account.id == account_id)
        .cte(recursive=True)
    )
    higher = aliased(Account)
    walk = walk.union(
        select(higher.id, higher.parent_id).where(
            higher.tenant_id == actor.tenant_id, higher.id == walk.c.parent_id
        )
    )
    return list(session.scalars(select(walk.c.id)))


def _dependants(session: Session, account: Account) -> list[str]:
    """Names of the entities with live records that hang on the account."""
    key = (account.tenant_id, account.id)
    hanging = {
        "account": _any(Account, Account.parent_id, key),
        "site": _any(Site, Site.account_id, key),
        "contact": _any(Contact, Contact.account_id, key),
        "account_contact": _any(AccountContact, AccountContact.account_id, key),
        "account_relation": or_(
            _any(AccountRelation, AccountRelation.account_id, key),
            _any(AccountRelation, AccountRelation.to_account_id, key),
        ),
        "visit": _any(_visits.c, _visits.c.account_id, key),
        "task": _any(_tasks.c, _tasks.c.account_id, key),
        "order": _any(_orders.c, _orders.c.account_id, key),
        "invoice": _any(_invoices.c, _invoices.c.account_id, key),
        "payment": _any(_payments.c, _payments.c.account_id, key),
    }
    row = session.execute(select(*(condition.label(name) for name, condition in hanging.items()))).one()
    return [name for name in hanging if getattr(row, name)]


def _any(columns: Any, reference: Any, key: tuple[UUID, UUID]) -> ColumnElement[bool]:
    return (
        select(literal(1))
        .where(columns.tenant_id == key[0], reference == key[1], columns.deleted_at.is_(None))
        .exists()
    )
