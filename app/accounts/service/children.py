"""What may be done with sites, contacts, buying roles and relations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app.accounts.models import Account, AccountContact, AccountRelation, Contact, Site
from app.accounts.service.errors import AccountInvalid, RelationTaken, RelationToItself
from app.accounts.service.records import (
    SALES_ROLES,
    Child,
    allow,
    assign,
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
from app.accounts.service.rules import LONGEST, mask_free_text
from app.core.errors import HasDependants
from app.core.ids import new_id
from app.core.many import write_rows
from app.core.scope import Actor
from sync.stores.driver import Said

Simple = TypeVar("Simple", Site, Contact)

# The records that each field may point to.
_REFERENCES: Mapping[type[Any], Mapping[str, type[Any]]] = {
    Site: {"account_id": Account},
    Contact: {"account_id": Account},
    AccountContact: {"account_id": Account, "contact_id": Contact},
    AccountRelation: {"account_id": Account, "to_account_id": Account},
}
CHILD_BOUND_FIELDS = frozenset({"account_id"})
"""Of sites and contacts: the field that rules of other records read."""

_visits = light("visits", "tenant_id", "site_id", "contact_id", "deleted_at")
_orders = light("orders", "tenant_id", "id", "site_id", "deleted_at")


def list_sites(session: Session, actor: Actor, *, account_id: UUID | None = None) -> Select[Site]:
    """Sites of the scope, or of one account of it."""
    return _of_account(session, actor, Site, account_id)


def get_site(session: Session, actor: Actor, site_id: UUID, *, lock: bool = False) -> Site:
    """One site of the scope; raises NotFound."""
    return get_record(session, actor, Site, site_id, lock=lock)


def create_site(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Site:
    """Add a place to an account of the scope.

    Raises:
        Forbidden, IdTaken, ReferenceNotFound, AccountInvalid: As for accounts.
    """
    return _create(session, actor, Site, values)


def update_site(
    session: Session, actor: Actor, site_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Site:
    """Change a site; a technician only where it is and when it is open."""
    update_sites(session, actor, {site_id: changes}, now=now)
    return session.get_one(Site, (actor.tenant_id, site_id), populate_existing=True)


def update_sites(
    session: Session, actor: Actor, changes: Mapping[UUID, Mapping[str, Any]], *, now: datetime
) -> dict[UUID, int]:
    """The same for many, all or none; gives their versions."""
    return _update_many(session, actor, Site, changes)


def hold_site(actor: Actor, site_id: UUID, changes: Mapping[str, Any]) -> Said:
    """The statement that locks a live site of the scope for ``update_sites``; answered to ``held_site``."""
    return holding(actor, Site, site_id, changes)


def held_site(session: Session, rows: Sequence[Any]) -> bool:
    """Let the ``update_sites`` that follows use what was locked; gives whether the site is in the scope."""
    return held(session, Site, rows)


def delete_site(session: Session, actor: Actor, site_id: UUID, *, now: datetime) -> None:
    """Remove a site; raises HasDependants while visits to it or orders for it are live."""
    site = get_site(session, actor, site_id, lock=True)
    allow(actor, *SALES_ROLES)
    hanging = ["visit"] if _has_visits(session, actor, _visits.c.site_id == site_id) else []
    if _has_orders(session, actor, site_id):
        hanging.append("order")
    if hanging:
        raise HasDependants(dependants=hanging)
    site.deleted_at = now
    flush(session)


def list_contacts(session: Session, actor: Actor, *, account_id: UUID | None = None) -> Select[Contact]:
    """Contacts of the scope, or of those at home in one account of it."""
    return _of_account(session, actor, Contact, account_id)


def get_contact(session: Session, actor: Actor, contact_id: UUID, *, lock: bool = False) -> Contact:
    """One contact of the scope; raises NotFound."""
    return get_record(session, actor, Contact, contact_id, lock=lock)


def create_contact(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Contact:
    """Add a person to an account of the scope.

    Raises:
        Forbidden, IdTaken, ReferenceNotFound, AccountInvalid: As for accounts.
    """
    return _create(session, actor, Contact, values)


def update_contact(
    session: Session, actor: Actor, contact_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Contact:
    """Change a contact; a technician only the phone and the job title."""
    update_contacts(session, actor, {contact_id: changes}, now=now)
    return session.get_one(Contact, (actor.tenant_id, contact_id), populate_existing=True)


def update_contacts(
    session: Session, actor: Actor, changes: Mapping[UUID, Mapping[str, Any]], *, now: datetime
) -> dict[UUID, int]:
    """The same for many, all or none; gives their versions."""
    return _update_many(session, actor, Contact, changes)


def hold_contact(actor: Actor, contact_id: UUID, changes: Mapping[str, Any]) -> Said:
    """The statement that locks a live contact of the scope for ``update_contacts``; answered to ``held_contact``."""
    return holding(actor, Contact, contact_id, changes)


def held_contact(session: Session, rows: Sequence[Any]) -> bool:
    """Let the ``update_contacts`` that follows use what was locked; gives whether the contact is in the scope."""
    return held(session, Contact, rows)


def delete_contact(session: Session, actor: Actor, contact_id: UUID, *, now: datetime) -> None:
    """Remove a person; raises HasDependants while buying roles or visits name them."""
    contact = get_contact(session, actor, contact_id, lock=True)
    allow(actor, *SALES_ROLES)
    has_roles = session.scalar(
        select(AccountContact.id)
        .where(
            AccountContact.tenant_id == actor.tenant_id,
            AccountContact.contact_id == contact_id,
            AccountContact.deleted_at.is_(None),
        )
        .limit(1)
    )
    hanging = ["account_contact"] if has_roles else []
    if _has_visits(session, actor, _visits.c.contact_id == contact_id):
        hanging.append("visit")
    if hanging:
        raise HasDependants(dependants=hanging)
    contact.deleted_at = now
    flush(session)


def list_account_contacts(
    session: Session, actor: Actor, *, account_id: UUID | None = None
) -> Select[AccountContact]:
    """Buying roles whose account and person are both in the scope."""
    return _of_account(session, actor, AccountContact, account_id)


def get_account_contact(
    session: Session, actor: Actor, account_contact_id: UUID, *, lock: bool = False
) -> AccountContact:
    """One buying role; raises NotFound."""
    return get_record(session, actor, AccountContact, account_contact_id, lock=lock)


def create_account_contact(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> AccountContact:
    """Say what a person does in the buying of an account.

    Raises:
        Forbidden, IdTaken, ReferenceNotFound, AccountInvalid: As for accounts.
    """
    return _create(session, actor, AccountContact, values)


def update_account_contact(
    session: Session, actor: Actor, account_contact_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> AccountContact:
    """Change a buying role."""
    return _update(session, actor, AccountContact, account_contact_id, changes)


def delete_account_contact(
    session: Session, actor: Actor, account_contact_id: UUID, *, now: datetime
) -> None:
    """Remove a buying role."""
    _delete(session, actor, AccountContact, account_contact_id, now)


def list_account_relations(
    session: Session, actor: Actor, *, account_id: UUID | None = None
) -> Select[AccountRelation]:
    """Relations whose two accounts are both in the scope; of one account in either direction."""
    statement = in_scope(actor, AccountRelation)
    if account_id is None:
        return statement
    get_record(session, actor, Account, account_id)
    return statement.where(
        or_(AccountRelation.account_id == account_id, AccountRelation.to_account_id == account_id)
    )


def get_account_relation(
    session: Session, actor: Actor, account_relation_id: UUID, *, lock: bool = False
) -> AccountRelation:
    """One relation; raises NotFound."""
    return get_record(session, actor, AccountRelation, account_relation_id, lock=lock)


def create_account_relation(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> AccountRelation:
    """Relate two accounts of the scope.

    Raises:
        RelationToItself, RelationTaken: They are one, or related so already.
        Forbidden, IdTaken, ReferenceNotFound: As for accounts.
    """
    return _create(session, actor, AccountRelation, values)


def update_account_relation(
    session: Session, actor: Actor, account_relation_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> AccountRelation:
    """Change a relation."""
    return _update(session, actor, AccountRelation, account_relation_id, changes)


def delete_account_relation(
    session: Session, actor: Actor, account_relation_id: UUID, *, now: datetime
) -> None:
    """Remove a relation."""
    _delete(session, actor, AccountRelation, account_relation_id, now)


def _of_account(session: Session, actor: Actor, model: type[Child], account_id: UUID | None) -> Select[Child]:
    statement = in_scope(actor, model)
    if account_id is None:
        return statement
    get_record(session, actor, Account, account_id)
    return statement.where(model.account_id == account_id)


def _create(session: Session, actor: Actor, model: type[Child], values: Mapping[str, Any]) -> Child:
    allow(actor, *SALES_ROLES)
    check_id_free(session, actor, model, values.get("id"))
    clean, _ = mask_free_text(plain(values))
    _check_lengths(clean)
    _check_references(session, actor, model, clean)
    record = model(tenant_id=actor.tenant_id, **{"id": new_id(), **clean})
    _check_pair(session, record)
    session.add(record)
    flush(session)
    return record


def _update(
    session: Session, actor: Actor, model: type[Child], record_id: UUID, changes: Mapping[str, Any]
) -> Child:
    record = get_record(session, actor, model, record_id, lock=True)
    clean = changed(record, mask_free_text(plain(changes))[0])
    check_fields(actor, model, changes, clean)
    _check_lengths(clean)
    _check_references(session, actor, model, clean)
    with session.no_autoflush:
        assign(record, clean)
        _check_pair(session, record)
    flush(session)
    return record


def _update_many(
    session: Session, actor: Actor, model: type[Simple], changes: Mapping[UUID, Mapping[str, Any]]
) -> dict[UUID, int]:
    """Change records that have no rule between two of their fields."""
    sent_fields = {name for sent in changes.values() for name in sent}
    records = lock_records(session, actor, model, changes, sent_fields)
    writes: dict[UUID, dict[str, Any]] = {}
    for record_id, sent in changes.items():
        clean = changed(records[record_id], mask_free_text(plain(sent))[0])
        check_fields(actor, model, sent, clean)
        _check_lengths(clean)
        _check_references(session, actor, model, clean)
        if clean:
            writes[record_id] = clean
    with taken():
        versions = write_rows(session, model.__table__, actor.tenant_id, writes)
    return {record_id: versions.get(record_id, record.version) for record_id, record in records.items()}


def _delete(session: Session, actor: Actor, model: type[Child], record_id: UUID, now: datetime) -> None:
    record = get_record(session, actor, model, record_id, lock=True)
    allow(actor, *SALES_ROLES)
    record.deleted_at = now
    flush(session)


def _check_lengths(values: Mapping[str, Any]) -> None:
    wrong = {field: "too_long" for field, most in LONGEST.items() if len(values.get(field) or "") > most}
    if "name" in values and not (values["name"] or "").strip():
        wrong["name"] = "name_missing"
    if wrong:
        raise AccountInvalid(fields=wrong)


def _check_references(session: Session, actor: Actor, model: type[Any], values: Mapping[str, Any]) -> None:
    for field, target in _REFERENCES[model].items():
        if field in values:
            refer_to(session, actor, target, values[field], field)


def _check_pair(session: Session, record: Any) -> None:
    """Rules between two fields of one record."""
    if isinstance(record, AccountContact):
        first, last = record.valid_from, record.valid_to
        if first and last and first > last:
            raise AccountInvalid(fields={"valid_to": "value_out_of_range"})
    if not isinstance(record, AccountRelation):
        return
    if record.account_id == record.to_account_id:
        raise RelationToItself()
    other = session.scalar(
        select(AccountRelation.id).where(
            AccountRelation.tenant_id == record.tenant_id,
            AccountRelation.account_id == record.account_id,
            AccountRelation.to_account_id == record.to_account_id,
            AccountRelation.kind == record.kind,
            AccountRelation.deleted_at.is_(None),
            AccountRelation.id != record.id,
        )
    )
    if other is not None:
        raise RelationTaken()


def _has_orders(session: Session, actor: Actor, site_id: UUID) -> bool:
    found = session.execute(
        select(_orders.c.id)
        .where(
            _orders.c.tenant_id == actor.tenant_id,
            _orders.c.site_id == site_id,
            _orders.c.deleted_at.is_(None),
        )
        .limit(1)
    )
    return found.first() is not None


def _has_visits(session: Session, actor: Actor, condition: Any) -> bool:
    found = session.execute(
        select(_visits.c.tenant_id)
        .where(_visits.c.tenant_id == actor.tenant_id, condition, _visits.c.deleted_at.is_(None))
        .limit(1)
    )
    return found.first() is not None
