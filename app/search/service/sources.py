"""What is searched: for each kind its documents, who sees it, and what is shown of a hit."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.catalog import service as catalog
from app.core.scope import Actor, ShapeClass
from app.knowledge import service as knowledge
from app.textindex.service import Document, Visible

Documents = Callable[[Session, UUID, Collection[UUID]], Iterable[Document]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a hit says of its record, all of which the viewer's lists show too.

    Attributes:
        title: Its name.
        parts: What else it may have been found by, the likeliest first.
        version: Of the record.
        updated_at: When it changed last.
        parent_id: The record that it hangs on: the account of a contact, the article of a version.
        language: Of its text, where it says.
    """

    title: str
    parts: list[str]
    version: int
    updated_at: datetime
    parent_id: UUID | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Records that the ledger tells of.

    Attributes:
        entity: Their name in the ledger and in hits.
        documents: By kind, what the index holds of them. Where a shape class sees less of a record, it searches
            documents of its own, which have less.
        kind_for: Which kind an actor searches.
        ids: Every record of a company that is to be found.
        visible: What the actor's lists hold, in a language where it matters.
        shown: Of ids, those that are in the scope.
        hangs_on: By other entities, which of these records have to be looked at when those change.
        personal: Whether it tells of people, so that reading it is noted.
    """

    entity: str
    documents: Mapping[str, Documents]
    kind_for: Callable[[Actor], str]
    ids: Callable[[UUID], Select[UUID]]
    visible: Callable[[Actor, str | None], Visible]
    shown: Callable[[Session, Actor, Collection[UUID]], dict[UUID, Shown]]
    hangs_on: Mapping[str, Callable[[Session, UUID, Collection[UUID]], Iterable[UUID]]] = field(
        default_factory=dict
    )
    personal: bool = True


def _by_shape(actor: Actor, *, sales: str, service: str) -> str:
    return service if actor.scope.shape is ShapeClass.SERVICE else sales


def _of_people(entity: str, documents: Any, ids: Any, visible: Any, shown: Any) -> Source:
    sales, service = entity, f"{entity}_service"
    return Source(
        entity=entity,
        documents={
            sales: partial(documents, shape=ShapeClass.SALES),
            service: partial(documents, shape=ShapeClass.SERVICE),
        },
        kind_for=partial(_by_shape, sales=sales, service=service),
        ids=ids,
        visible=lambda actor, _: Visible(visible(actor)),
        shown=shown,
    )


def _shown_accounts(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Shown]:
    found = accounts.find_accounts(session, actor, ids)
    return {
        account.id: _shown(
            account,
            account.legal_name,
            account.code,
            account.phone,
            None if actor.scope.shape is ShapeClass.SERVICE else account.business_number,
            account.address,
        )
        for account in found.values()
    }


def _shown_contacts(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Shown]:
    found = accounts.find_contacts(session, actor, ids)
    return {
        contact.id: _shown(contact, contact.job_title, contact.phone, parent_id=contact.account_id)
        for contact in found.values()
    }


def _shown_products(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Shown]:
    found = catalog.find_products(session, actor, ids)
    return {
        product.id: _shown(
            product,
            product.name_en,
            product.sku,
            *product.categories,
            *(unit.barcode for unit in product.units),
        )
        for product in found.values()
    }


def _shown_versions(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Shown]:
    found = knowledge.find_published(session, actor, ids)
    return {
        version.id: Shown(
            version.title,
            [part for part in (version.summary, version.body, *version.keywords) if part],
            version.version,
            version.updated_at,
            version.article_id,
            str(version.language),
        )
        for version in found.values()
    }


def _shown(record: Any, *parts: str | None, parent_id: UUID | None = None) -> Shown:
    kept = [part for part in parts if part]
    return Shown(record.name, kept, record.version, record.updated_at, parent_id)


ACCOUNTS: Final = _of_people(
    "account", accounts.account_documents, accounts.account_ids, accounts.sees_accounts, _shown_accounts
)
CONTACTS: Final = _of_people(
    "contact", accounts.contact_documents, accounts.contact_ids, accounts.sees_contacts, _shown_contacts
)
PRODUCTS: Final = Source(
    entity="product",
    documents={"product": catalog.product_documents},
    kind_for=lambda _: "product",
    ids=catalog.product_ids,
    visible=lambda actor, _: Visible(catalog.sees_products(actor)),
    shown=_shown_products,
    personal=False,
)
# They are indexed when they are published, too; what SQL by hand or a change of the article does is seen here.
ARTICLES: Final = Source(
    entity="article_version",
    documents={"article_version": knowledge.version_documents},
    kind_for=lambda _: "article_version",
    ids=knowledge.indexed_ids,
    visible=knowledge.search_visible_in,
    shown=_shown_versions,
    hangs_on={"article": knowledge.versions_of_articles},
    personal=False,
)
SOURCES: Final = (ACCOUNTS, CONTACTS, PRODUCTS, ARTICLES)
PERSONAL: Final = frozenset(source.entity for source in SOURCES if source.personal)
