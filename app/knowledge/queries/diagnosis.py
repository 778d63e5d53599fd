"""Who sees which tree and which run, and how often its remedies helped."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.scope import Actor, Role, sees_child_of_account
from app.knowledge.models import (
    Article,
    ArticleReader,
    DiagnosisReader,
    DiagnosisRun,
    DiagnosisTree,
    RemedyTally,
    RunOutcome,
    TreeVersion,
)
from app.knowledge.queries.articles import is_editor
from app.knowledge.states.articles import VersionStatus


def is_tree_for(actor: Actor, tree_id: ColumnElement[UUID] | Any) -> ColumnElement[bool]:
    """Whether a tree goes to a bucket that the actor's phones are given, in their class."""
    if not actor.scope.buckets:
        return false()
    return exists(
        select(literal(1)).where(
            DiagnosisReader.tenant_id == actor.tenant_id,
            DiagnosisReader.tree_id == tree_id,
            DiagnosisReader.bucket.in_(sorted(actor.scope.buckets)),
            DiagnosisReader.shape == actor.scope.shape,
        )
    )


def trees_of(actor: Actor) -> Select[DiagnosisTree]:
    """The live trees that the actor may know of; readers of what is for them and out, or was walked by them."""
    statement = select(DiagnosisTree).where(
        DiagnosisTree.tenant_id == actor.tenant_id, DiagnosisTree.deleted_at.is_(None)
    )
    if is_editor(actor):
        return statement
    published = exists(
        select(literal(1)).where(
            TreeVersion.tenant_id == DiagnosisTree.tenant_id,
            TreeVersion.tree_id == DiagnosisTree.id,
            TreeVersion.status == VersionStatus.PUBLISHED,
            TreeVersion.deleted_at.is_(None),
        )
    )
    walked = _walked(actor, DiagnosisRun.tree_id == DiagnosisTree.id)
    return statement.where(is_tree_for(actor, DiagnosisTree.id), or_(published, walked))


def sees_tree_version(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may read a version: of trees that are for them what is out or was, and what they walked."""
    if is_editor(actor):
        return true()
    out = TreeVersion.status.in_((VersionStatus.PUBLISHED, VersionStatus.SUPERSEDED))
    walked = _walked(actor, DiagnosisRun.tree_version_id == TreeVersion.id)
    return and_(or_(out, walked), is_tree_for(actor, TreeVersion.tree_id))


def tree_versions_of(actor: Actor) -> Select[TreeVersion]:
    """The live versions that the actor may read."""
    return select(TreeVersion).where(
        TreeVersion.tenant_id == actor.tenant_id,
        TreeVersion.deleted_at.is_(None),
        _lives(TreeVersion.tree_id),
        sees_tree_version(actor),
    )


def walkable_versions(actor: Actor) -> Select[TreeVersion]:
    """The versions that a phone of the actor may have walked: all that were ever out, of trees for them.

    A version that was replaced or withdrawn while the phone had no network was the right one then.
    """
    seen = true() if is_editor(actor) else is_tree_for(actor, TreeVersion.tree_id)
    return select(TreeVersion).where(
        TreeVersion.tenant_id == actor.tenant_id,
        TreeVersion.deleted_at.is_(None),
        TreeVersion.published_at.is_not(None),
        seen,
    )


def runs_of(actor: Actor) -> Select[DiagnosisRun]:
    """The runs at accounts of the actor's scope. Partners have none."""
    sees = false() if actor.role is Role.PARTNER else sees_child_of_account(actor.scope, DiagnosisRun)
    return select(DiagnosisRun).where(
        DiagnosisRun.tenant_id == actor.tenant_id, DiagnosisRun.deleted_at.is_(None), sees
    )


def count_run(
    session: Session, run: DiagnosisRun, *, gone: RunOutcome | None = None, come: RunOutcome | None = None
) -> None:
    """Count an outcome of the run's remedy, and take another one off again; the row is locked until commit."""
    change = {
        outcome: (outcome is come) - (outcome is gone)
        for outcome in (RunOutcome.SOLVED, RunOutcome.NOT_SOLVED, RunOutcome.ESCALATED)
    }
    key = {"tenant_id": run.tenant_id, "tree_id": run.tree_id, "node": run.remedy}
    counted = insert(RemedyTally).values(**key, **{str(name): max(0, by) for name, by in change.items()})
    session.execute(
        counted.on_conflict_do_update(
            index_elements=list(key),
            set_={str(name): getattr(RemedyTally, str(name)) + by for name, by in change.items()},
        )
    )


def tallies_of(session: Session, tenant_id: UUID, tree_id: UUID) -> Sequence[RemedyTally]:
    """How often each remedy of a tree was tried, as the database has it now."""
    statement = select(RemedyTally).where(RemedyTally.tenant_id == tenant_id, RemedyTally.tree_id == tree_id)
    return session.scalars(
        statement.order_by(RemedyTally.node), execution_options={"populate_existing": True}
    ).all()


def articles_not_for_readers(
    session: Session, tenant_id: UUID, tree_id: UUID, slugs: Sequence[str]
) -> set[str]:
    """Which of *slugs* name no article that every reader of the tree has too.

    Who reads the tree of a unit also reads what is for their role everywhere.
    """
    if not slugs:
        return set()
    role = case(
        {"sales": "rep", "service": "technician", "manager": "manager", "partner": "partner"},
        value=DiagnosisReader.shape,
    )
    has = exists(
        select(literal(1))
        .where(
            ArticleReader.tenant_id == tenant_id,
            ArticleReader.article_id == Article.id,
            ArticleReader.shape == DiagnosisReader.shape,
            or_(
                ArticleReader.bucket == DiagnosisReader.bucket,
                ArticleReader.bucket == func.concat("audience:", role),
            ),
        )
        .correlate(Article, DiagnosisReader)
    )
    lacking = exists(
        select(literal(1))
        .where(DiagnosisReader.tenant_id == tenant_id, DiagnosisReader.tree_id == tree_id, ~has)
        .correlate(Article)
    )
    fit = select(Article.slug).where(
        Article.tenant_id == tenant_id,
        Article.deleted_at.is_(None),
        Article.slug.in_(list(slugs)),
        ~lacking,
    )
    return set(slugs) - set(session.scalars(fit))


def _lives(tree_id: Any) -> ColumnElement[bool]:
    return exists(
        select(literal(1)).where(
            DiagnosisTree.tenant_id == TreeVersion.tenant_id,
            DiagnosisTree.id == tree_id,
            DiagnosisTree.deleted_at.is_(None),
        )
    )


def _walked(actor: Actor, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the actor walked one of *which*."""
    return exists(
        select(literal(1)).where(
            DiagnosisRun.tenant_id == actor.tenant_id,
            DiagnosisRun.author_id == actor.user_id,
            DiagnosisRun.deleted_at.is_(None),
            which,
        )
    )
