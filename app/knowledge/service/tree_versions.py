"""Versions of trees: nodes on their way from a draft to a phone, with a second person between."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.masking import mask_fields, mask_json
from app.core.scope import Actor, Role
from app.knowledge.models import TreeVersion
from app.knowledge.queries import diagnosis as queries
from app.knowledge.service.errors import NewerPublished, ReviewOwn
from app.knowledge.service.field_errors import TreeUnsound
from app.knowledge.service.rates import rates_of
from app.knowledge.service.records import require_editor
from app.knowledge.service.trees import get_tree
from app.knowledge.states.articles import REVIEWED, VERSION_MACHINE, VersionStatus
from app.knowledge.trees import MAX_NAMED, problems_of, read_nodes

FREE_TEXT: Final = frozenset({"changelog"})


def list_tree_versions(
    session: Session, actor: Actor, *, tree_id: UUID | None = None, status: VersionStatus | None = None
) -> Select[TreeVersion]:
    """The versions of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; readers are given what is out or was, and what they walked themselves.
        tree_id: Of this tree only.
        status: In this state only.
    """
    statement = queries.tree_versions_of(actor)
    if tree_id is not None:
        statement = statement.where(TreeVersion.tree_id == tree_id)
    return statement if status is None else statement.where(TreeVersion.status == status)


def get_tree_version(session: Session, actor: Actor, version_id: UUID, *, lock: bool = False) -> TreeVersion:
    """One version of the scope; locked, its tree is locked with it: who changes any of its versions waits here.

    Raises:
        NotFound: No such version in the actor's scope.
    """
    statement = queries.tree_versions_of(actor).where(TreeVersion.id == version_id)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    if lock:
        get_tree(session, actor, found.tree_id, lock=True)
        session.refresh(found, with_for_update={"key_share": True})
        if found.deleted_at is not None:
            raise NotFound
    return found


def create_tree_version(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Begin the next version: a copy of the newest, with *values* over it.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An editor; the author.
        values: ``tree_id``; optional ``id, nodes, changelog``. A draft may have any nodes: see ``find_problems``.
        now: Server time, aware UTC.

    Raises:
        ReferenceNotFound: No such tree in the scope.
        Forbidden, IdTaken: As they say.
    """
    try:
        tree = get_tree(session, actor, values["tree_id"], lock=True)
    except NotFound:
        raise ReferenceNotFound(field="tree_id") from None
    require_editor(actor)
    record_id = values.get("id") or new_id()
    taken = select(literal(1)).where(TreeVersion.tenant_id == actor.tenant_id, TreeVersion.id == record_id)
    if session.scalar(taken) is not None:
        raise IdTaken
    newest = session.scalars(
        list_tree_versions(session, actor, tree_id=tree.id).order_by(TreeVersion.n.desc()).limit(1)
    ).one_or_none()
    writers = set(newest.written_by) if newest and newest.status not in REVIEWED else set()
    version = TreeVersion(
        tenant_id=actor.tenant_id,
        id=record_id,
        tree_id=tree.id,
        n=_next_n(session, actor, tree.id),
        author_id=actor.user_id,
        written_by=sorted(writers | {actor.user_id}),
        **({"nodes": newest.nodes} if newest else {}) | _clean(values),
    )
    session.add(version)
    return _written(session, version)


def update_tree_version(
    session: Session, actor: Actor, version_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Change the nodes of a draft; who does is one of its writers.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It has left ``draft``.
    """
    version = get_tree_version(session, actor, version_id, lock=True)
    require_editor(actor)
    if version.status is not VersionStatus.DRAFT:
        raise _not_allowed(version)
    for name, value in _clean(changes).items():
        setattr(version, name, value)
    version.written_by = sorted({*version.written_by, actor.user_id})
    return _written(session, version)


def delete_tree_version(session: Session, actor: Actor, version_id: UUID, *, now: datetime) -> None:
    """Throw a draft away.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It has left ``draft``.
    """
    version = get_tree_version(session, actor, version_id, lock=True)
    require_editor(actor)
    if version.status is not VersionStatus.DRAFT:
        raise _not_allowed(version)
    version.deleted_at = now
    session.flush()


def find_problems(session: Session, actor: Actor, version_id: UUID) -> list[dict[str, Any]]:
    """What keeps a version from its review; empty where nothing does.

    Raises:
        NotFound, Forbidden: As above.
    """
    version = get_tree_version(session, actor, version_id)
    require_editor(actor)
    return _problems(session, actor, version)


def submit_tree(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Ask a second person to walk it.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It is no draft.
        TreeUnsound: It has problems. ``details``: ``problems``.
    """
    version = _ready(session, actor, version_id, "submit_for_review")
    _refuse_unsound(session, actor, version)
    return _moved(session, version, "submit_for_review")


def approve_tree(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Answer for nodes that others wrote.

    Raises:
        NotFound, TransitionNotAllowed: As above.
        Forbidden: The actor is no editor, or no person.
        ReviewOwn: The actor wrote any of it.
    """
    version = _ready(session, actor, version_id, "approve")
    if actor.role is Role.INTEGRATION:
        raise Forbidden
    if actor.user_id in {version.author_id, *version.written_by}:
        raise ReviewOwn
    version.reviewer_id = actor.user_id
    return _moved(session, version, "approve")


def reject_tree(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Give it back to be drawn better; raises NotFound, Forbidden, TransitionNotAllowed."""
    version = _ready(session, actor, version_id, "reject")
    version.reviewer_id = None
    return _moved(session, version, "reject")


def publish_tree(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Give it to all phones of its audience; the version that was out is superseded.

    What the tree names may have changed since it was reviewed: it is looked at once more.

    Raises:
        NotFound, Forbidden, TransitionNotAllowed, TreeUnsound: As above.
        NewerPublished: A later version is out already.
    """
    version = _ready(session, actor, version_id, "publish")
    _refuse_unsound(session, actor, version)
    out = session.scalars(
        list_tree_versions(session, actor, tree_id=version.tree_id, status=VersionStatus.PUBLISHED).where(
            TreeVersion.id != version.id
        )
    ).one_or_none()
    if out is not None and out.n > version.n:
        raise NewerPublished(n=out.n)
    if out is not None:
        out.status = VersionStatus.SUPERSEDED
        session.flush()
    rates = rates_of(session, version)
    version.published_at = now
    version.rates = rates
    return _moved(session, version, "publish")


def withdraw_tree(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> TreeVersion:
    """Take it off the phones; runs that were made without a network are still taken.

    Raises:
        NotFound, Forbidden, TransitionNotAllowed: As above.
    """
    return _moved(session, _ready(session, actor, version_id, "withdraw"), "withdraw")


# By the words of their addresses.
TREE_COMMANDS: Final[Mapping[str, Callable[..., TreeVersion]]] = {
    "submit_for_review": submit_tree,
    "approve": approve_tree,
    "reject": reject_tree,
    "publish": publish_tree,
    "withdraw": withdraw_tree,
}


def _ready(session: Session, actor: Actor, version_id: UUID, command: str) -> TreeVersion:
    """The version, locked, from whose state the command is a step."""
    version = get_tree_version(session, actor, version_id, lock=True)
    require_editor(actor)
    if not VERSION_MACHINE.is_legal(command, version.status):
        raise _not_allowed(version)
    return version


def _moved(session: Session, version: TreeVersion, command: str) -> TreeVersion:
    """Move it when all rules have spoken: one step is one change in the ledger."""
    version.status = VersionStatus(VERSION_MACHINE.steps[command][1])
    return _written(session, version)


def _not_allowed(version: TreeVersion) -> TransitionNotAllowed:
    return TransitionNotAllowed(
        status=str(version.status), allowed=list(VERSION_MACHINE.allowed(version.status))
    )


def _refuse_unsound(session: Session, actor: Actor, version: TreeVersion) -> None:
    if problems := _problems(session, actor, version):
        raise TreeUnsound(problems=problems)


def _problems(session: Session, actor: Actor, version: TreeVersion) -> list[dict[str, Any]]:
    problems = [problem.plain() for problem in problems_of(read_nodes(version.nodes))]
    products = {
        node["id"]: {UUID(part["product_id"]) for part in node.get("parts") or ()} for node in version.nodes
    }
    wanted = set().union(*products.values())
    every = catalog.list_products(session, actor).subquery()
    known = set(session.scalars(select(every.c.id).where(every.c.id.in_(wanted))))
    problems += _named("product_unknown", (name for name, ids in products.items() if ids - known))
    slugs = {node["id"]: set(node.get("articles") or ()) for node in version.nodes}
    unfit = queries.articles_not_for_readers(
        session, version.tenant_id, version.tree_id, sorted(set().union(*slugs.values()))
    )
    problems += _named("article_not_for_readers", (name for name, named in slugs.items() if named & unfit))
    return problems[:MAX_NAMED]


def _named(code: str, nodes: Iterable[str]) -> list[dict[str, Any]]:
    found = list(nodes)[:MAX_NAMED]
    return [{"code": code, "nodes": found}] if found else []


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    clean, _ = mask_fields(values, FREE_TEXT)
    found: dict[str, Any] = {name: clean[name] for name in ("nodes", "changelog") if name in clean}
    if "nodes" in found:
        found["nodes"] = mask_json(_stored(found["nodes"]))
    return found


def _stored(nodes: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Nodes as JSON: ids as text, amounts as they go over the wire."""
    return [
        dict(node)
        | {
            "parts": [
                {"product_id": str(part["product_id"]), "quantity": f"{part['quantity']:.6f}"}
                for part in node.get("parts") or ()
            ]
        }
        for node in nodes
    ]


def _next_n(session: Session, actor: Actor, tree_id: UUID) -> int:
    last = session.scalar(
        select(func.max(TreeVersion.n)).where(
            TreeVersion.tenant_id == actor.tenant_id, TreeVersion.tree_id == tree_id
        )
    )
    return (last or 0) + 1


def _written(session: Session, version: TreeVersion) -> TreeVersion:
    session.flush()
    session.refresh(version)
    return version
