"""What search knows of products: their words, who sees them, and what is shown of them."""

from collections.abc import Callable, Collection, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, literal, select
from sqlalchemy.orm import Session

from app.catalog.models import Product
from app.catalog.service.products import list_products
from app.core.scope import Actor
from app.textindex.service import Document
from app.textindex.tokens import Text


def product_documents(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Iterator[Document]:
    """The words of the live products among *ids*: names, categories, numbers and bar codes of packs."""
    found = session.scalars(
        select(Product)
        .where(Product.tenant_id == tenant_id, Product.id.in_(ids), Product.deleted_at.is_(None))
        .execution_options(populate_existing=True)
    )
    for product in found:
        names = [product.name, *([product.name_en] if product.name_en else [])]
        codes = [product.sku, *(unit.barcode for unit in product.units if unit.barcode)]
        yield Document(
            product.id,
            [
                *(Text("name", name) for name in names),
                *(Text("keywords", category) for category in product.categories),
                *(Text("code", code) for code in codes),
            ],
        )


def product_ids(tenant_id: UUID) -> Select[UUID]:
    """Every live product of a company, to be indexed."""
    return select(Product.id).where(Product.tenant_id == tenant_id, Product.deleted_at.is_(None))


def sees_products(actor: Actor) -> Callable[[Any], ColumnElement[bool]]:
    """For a column of ids, whether it is a live product: everybody knows them all."""
    return lambda ids: exists(
        select(literal(1)).where(
            Product.tenant_id == actor.tenant_id, Product.id == ids, Product.deleted_at.is_(None)
        )
    )


def find_products(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, Product]:
    """Those of *ids* that are live."""
    found = session.scalars(list_products(session, actor).where(Product.id.in_(ids)))
    return {product.id: product for product in found}
