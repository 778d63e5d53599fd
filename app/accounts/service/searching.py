"""What search knows of accounts and contacts: their words, who sees them, and what is shown of them."""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, literal, select
from sqlalchemy.orm import Session

from app.accounts.models import Account, Contact
from app.accounts.service.records import in_scope, scope_of
from app.accounts.service.rules import SALES_ONLY
from app.core.scope import Actor, ShapeClass
from app.textindex.service import Document
from app.textindex.tokens import Text

Searched = type[Account] | type[Contact]

# By column, what kind of text it is to the index. Nothing else of a record is searched.
ACCOUNT_TEXTS: Final = {
    "name": "name",
    "legal_name": "name",
    "code": "code",
    "phone": "code",
    "business_number": "code",
}
CONTACT_TEXTS: Final = {"name": "name", "job_title": "keywords", "phone": "code"}


def account_documents(
    session: Session, tenant_id: UUID, ids: Collection[UUID], *, shape: ShapeClass
) -> Iterator[Document]:
    """The words of the live accounts among *ids* that a shape class may find them by.

    What the class is not shown is not among them: found by it, a record would tell that it has it.
    """
    return _documents(session, Account, tenant_id, ids, ACCOUNT_TEXTS, shape)


def contact_documents(
    session: Session, tenant_id: UUID, ids: Collection[UUID], *, shape: ShapeClass
) -> Iterator[Document]:
    """The same for contacts."""
    return _documents(session, Contact, tenant_id, ids, CONTACT_TEXTS, shape)


def account_ids(tenant_id: UUID) -> Select[UUID]:
    """Every live account of a company, to be indexed."""
    return select(Account.id).where(Account.tenant_id == tenant_id, Account.deleted_at.is_(None))


def contact_ids(tenant_id: UUID) -> Select[UUID]:
    """Every live contact of a company, to be indexed."""
    return select(Contact.id).where(Contact.tenant_id == tenant_id, Contact.deleted_at.is_(None))


def sees_accounts(actor: Actor) -> Callable[[Any], ColumnElement[bool]]:
    """For a column of ids, whether the actor's lists hold the account."""
    return lambda ids: _sees(actor, Account, ids)


def sees_contacts(actor: Actor) -> Callable[[Any], ColumnElement[bool]]:
    """For a column of ids, whether the actor's lists hold the contact."""
    return lambda ids: _sees(actor, Contact, ids)


def find_accounts(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Account]:
    """Those of *ids* that are in the scope."""
    found = session.scalars(in_scope(actor, Account).where(Account.id.in_(ids)))
    return {account.id: account for account in found}


def find_contacts(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Contact]:
    """Those of *ids* that are in the scope."""
    found = session.scalars(in_scope(actor, Contact).where(Contact.id.in_(ids)))
    return {contact.id: contact for contact in found}


def _sees(actor: Actor, model: Searched, ids: Any) -> ColumnElement[bool]:
    """By the very condition of the lists."""
    return exists(
        select(literal(1)).where(
            model.tenant_id == actor.tenant_id,
            model.id == ids,
            model.deleted_at.is_(None),
            scope_of(actor, model),
        )
    )


def _documents(
    session: Session,
    model: Searched,
    tenant_id: UUID,
    ids: Collection[UUID],
    kinds: dict[str, str],
    shape: ShapeClass,
) -> Iterator[Document]:
    shown = [name for name in kinds if shape is not ShapeClass.SERVICE or name not in SALES_ONLY]
    columns = [getattr(model, name) for name in shown]
    statement = select(model.id, *columns).where(
        model.tenant_id == tenant_id, model.id.in_(ids), model.deleted_at.is_(None)
    )
    for record_id, *values in session.execute(statement):
        texts = [Text(kinds[name], value) for name, value in zip(shown, values, strict=True) if value]
        yield Document(record_id, texts)
