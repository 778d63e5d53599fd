"""Diagnosis trees: what they are about, for whom, and how often their remedies helped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, exists, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.errors import HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity import service as identity
from app.knowledge.models import (
    DiagnosisAudience,
    DiagnosisTree,
    DiagnosisTreeProduct,
    RemedyTally,
    TreeVersion,
)
from app.knowledge.queries import diagnosis as queries
from app.knowledge.service.errors import KnowledgeInvalid
from app.knowledge.service.field_errors import TreeCodeTaken
from app.knowledge.service.records import require_editor
from app.knowledge.states.articles import VersionStatus

PARTS: Final = ("products", "audiences")


def list_trees(
    session: Session, actor: Actor, *, product_id: UUID | None = None, code: str | None = None
) -> Select[DiagnosisTree]:
    """The trees of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; readers are given what is out and for them.
        product_id: About this product only.
        code: This one only.
    """
    statement = queries.trees_of(actor)
    if product_id is not None:
        statement = statement.where(
            exists(
                select(literal(1)).where(
                    DiagnosisTreeProduct.tenant_id == DiagnosisTree.tenant_id,
                    DiagnosisTreeProduct.tree_id == DiagnosisTree.id,
                    DiagnosisTreeProduct.product_id == product_id,
                )
            )
        )
    return statement if code is None else statement.where(DiagnosisTree.code == code)


def get_tree(session: Session, actor: Actor, tree_id: UUID, *, lock: bool = False) -> DiagnosisTree:
    """One tree of the scope.

    Raises:
        NotFound: No such tree, or not for the actor.
    """
    statement = queries.trees_of(actor).where(DiagnosisTree.id == tree_id)
    if lock:
        statement = statement.with_for_update(of=DiagnosisTree, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def get_kept_tree(session: Session, actor: Actor, tree_id: UUID) -> DiagnosisTree:
    """One tree with its audiences, for editors.

    Raises:
        NotFound: As above.
        Forbidden: The actor is a reader.
    """
    tree = get_tree(session, actor, tree_id)
    require_editor(actor)
    return tree


def create_tree(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> DiagnosisTree:
    """A tree without nodes yet.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An editor.
        values: ``code, title_ko``; optional ``id, title_en, products, audiences``. Without audiences it is for
            editors only.
        now: Server time, aware UTC.

    Raises:
        Forbidden: The actor is no editor.
        IdTaken, TreeCodeTaken, ReferenceNotFound, KnowledgeInvalid: As they say.
    """
    require_editor(actor)
    record_id = values.get("id") or new_id()
    taken = select(literal(1)).where(
        DiagnosisTree.tenant_id == actor.tenant_id, DiagnosisTree.id == record_id
    )
    if session.scalar(taken) is not None:
        raise IdTaken
    tree = DiagnosisTree(tenant_id=actor.tenant_id, id=record_id, products=[], audiences=[])
    return _take(session, actor, tree, values)


def update_tree(
    session: Session, actor: Actor, tree_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> DiagnosisTree:
    """Change titles; products and audiences as whole lists.

    Raises:
        NotFound: No such tree.
        Forbidden, ReferenceNotFound, KnowledgeInvalid: As at creation; the code stays as it is.
    """
    tree = get_tree(session, actor, tree_id, lock=True)
    require_editor(actor)
    if changes.get("code", tree.code) != tree.code:
        raise KnowledgeInvalid(fields={"code": "read_only_field"})
    return _take(session, actor, tree, changes)


def delete_tree(session: Session, actor: Actor, tree_id: UUID, *, now: datetime) -> None:
    """Take back a tree of which nothing is out.

    Raises:
        NotFound, Forbidden: As above.
        HasDependants: A version is published or about to be: withdraw it first.
    """
    tree = get_tree(session, actor, tree_id, lock=True)
    require_editor(actor)
    out = select(literal(1)).where(
        TreeVersion.tenant_id == actor.tenant_id,
        TreeVersion.tree_id == tree_id,
        TreeVersion.status.in_((VersionStatus.APPROVED, VersionStatus.PUBLISHED)),
        TreeVersion.deleted_at.is_(None),
    )
    if session.scalar(out.limit(1)) is not None:
        raise HasDependants(dependants=["tree_version"])
    tree.deleted_at = now
    session.flush()


def list_remedies(session: Session, actor: Actor, tree_id: UUID) -> Sequence[RemedyTally]:
    """How often each remedy of a tree was tried, by what came of it, over all versions; for editors.

    Readers have the steps of ``TreeVersion.rates``: exact counts would tell of customers outside their scope.

    Raises:
        NotFound, Forbidden: As above.
    """
    get_tree(session, actor, tree_id)
    require_editor(actor)
    return queries.tallies_of(session, actor.tenant_id, tree_id)


def _take(session: Session, actor: Actor, tree: DiagnosisTree, values: Mapping[str, Any]) -> DiagnosisTree:
    with session.no_autoflush:
        for name, value in values.items():
            if name not in (*PARTS, "id"):
                setattr(tree, name, value)
        if "products" in values:
            _take_products(session, actor, tree, values["products"])
        if "audiences" in values:
            _take_audiences(session, actor, tree, values["audiences"])
    session.add(tree)
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if name == "uq_diagnosis_trees_code":
            raise TreeCodeTaken from error
        if name.startswith("pk_"):
            raise IdTaken from error
        raise
    session.refresh(tree)
    return tree


def _take_products(
    session: Session, actor: Actor, tree: DiagnosisTree, rows: Iterable[Mapping[str, Any]]
) -> None:
    wanted = [row["product_id"] for row in rows]
    if len(set(wanted)) < len(wanted):
        raise KnowledgeInvalid(fields={"products": "duplicate_item"})
    held = {part.product_id: part for part in tree.products}
    for product_id in wanted:
        if product_id not in held:
            catalog.refer_to_product(session, actor, product_id, "products")
            held[product_id] = DiagnosisTreeProduct(
                tenant_id=tree.tenant_id, id=new_id(), product_id=product_id
            )
    tree.products = [held[product_id] for product_id in wanted]


def _take_audiences(
    session: Session, actor: Actor, tree: DiagnosisTree, rows: Iterable[Mapping[str, Any]]
) -> None:
    wanted = [(row.get("role"), row.get("unit_id")) for row in rows]
    if len(set(wanted)) < len(wanted):
        raise KnowledgeInvalid(fields={"audiences": "duplicate_item"})
    if (None, None) in wanted:
        raise KnowledgeInvalid(fields={"audiences": "required"})
    held = {(part.role, part.unit_id): part for part in tree.audiences}
    for role, unit_id in wanted:
        if (role, unit_id) not in held:
            if unit_id is not None:
                _check_unit(session, actor, unit_id)
            held[role, unit_id] = DiagnosisAudience(
                tenant_id=tree.tenant_id, id=new_id(), role=role, unit_id=unit_id
            )
    tree.audiences = [held[one] for one in wanted]


def _check_unit(session: Session, actor: Actor, unit_id: UUID) -> None:
    try:
        identity.get_org_unit(session, actor, unit_id)
    except NotFound:
        raise ReferenceNotFound(field="audiences") from None
