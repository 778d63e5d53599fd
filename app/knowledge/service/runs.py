"""Ways through a tree, as phones took them in visits, and what came of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.knowledge.models import DiagnosisRun, RunOutcome, TreeVersion
from app.knowledge.queries import diagnosis as queries
from app.knowledge.service.errors import KnowledgeInvalid
from app.knowledge.service.field_errors import OutcomeImpossible, PathImpossible, RunNotYours
from app.knowledge.service.rates import count_outcome
from app.knowledge.service.said import clean
from app.knowledge.trees import Taken, Tree, Walk, read_nodes
from app.visits import service as visits
from sync.values import wire_time

CORRECTABLE: Final = ("outcome", "note")


def list_runs(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    visit_id: UUID | None = None,
    tree_id: UUID | None = None,
    outcome: RunOutcome | None = None,
) -> Select[DiagnosisRun]:
    """The runs at accounts of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: At this account only.
        visit_id: In this visit only.
        tree_id: Of this tree only.
        outcome: With this outcome only.
    """
    wanted = {
        DiagnosisRun.account_id: account_id,
        DiagnosisRun.visit_id: visit_id,
        DiagnosisRun.tree_id: tree_id,
        DiagnosisRun.outcome: outcome,
    }
    return queries.runs_of(actor).where(
        *(column == value for column, value in wanted.items() if value is not None)
    )


def get_run(session: Session, actor: Actor, run_id: UUID, *, lock: bool = False) -> DiagnosisRun:
    """One run of the scope.

    Raises:
        NotFound: No such run in the actor's scope.
    """
    statement = queries.runs_of(actor).where(DiagnosisRun.id == run_id)
    if lock:
        statement = statement.with_for_update(of=DiagnosisRun, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def create_run(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> DiagnosisRun:
    """Note the way that was taken through a tree in a visit.

    It is judged by the version that was walked, also where that is out of date by now: what was done was done.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone but partners who has the visit and its account in scope and the tree in their audience.
        values: ``account_id, visit_id, tree_version_id, path, outcome``; optional ``note``, ``ran_at`` (*now* when
            left out), ``id`` when a phone minted it. ``path``: steps of ``node``, ``answer`` (None at the end), ``at``.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Partners walk none.
        IdTaken: The id is in use.
        ReferenceNotFound: Account, visit or version are unknown, out of scope or do not belong together.
        PathImpossible, OutcomeImpossible: Nobody can have walked so.
    """
    if actor.role is Role.PARTNER:
        raise Forbidden
    record_id = values.get("id") or new_id()
    taken = select(literal(1)).where(DiagnosisRun.tenant_id == actor.tenant_id, DiagnosisRun.id == record_id)
    if session.scalar(taken) is not None:
        raise IdTaken
    accounts.refer_to_account(session, actor, values["account_id"])
    visit = visits.refer_to_visit(session, actor, values["visit_id"])
    if visit.account_id != values["account_id"]:
        raise ReferenceNotFound(field="visit_id")
    version = _walked(session, actor, values["tree_version_id"])
    walk = _follow(version, values["path"])
    _check_outcome(values["outcome"], walk.remedy)
    run = DiagnosisRun(
        tenant_id=actor.tenant_id,
        id=record_id,
        account_id=values["account_id"],
        visit_id=visit.id,
        tree_id=version.tree_id,
        tree_version_id=version.id,
        author_id=actor.user_id,
        path=[_stored(step) for step in values["path"]],
        remedy=walk.remedy,
        outcome=values["outcome"],
        note=clean(values).get("note"),
        ran_at=values.get("ran_at") or now,
    )
    session.add(run)
    try:
        session.flush()
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == "pk_diagnosis_runs":
            raise IdTaken from error
        raise
    count_outcome(session, run, come=run.outcome)
    session.refresh(run)
    return run


def update_run(
    session: Session, actor: Actor, run_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> DiagnosisRun:
    """Correct what came of a run; the success rate of its remedy follows. The way itself stays as it was taken.

    Raises:
        NotFound: No such run in the scope.
        RunNotYours: Another person's, and the actor is not of the office.
        KnowledgeInvalid: A field that cannot be corrected is another one than it was.
        OutcomeImpossible: As at creation.
    """
    run = get_run(session, actor, run_id, lock=True)
    if run.author_id != actor.user_id and actor.role not in visits.OFFICE:
        raise RunNotYours
    wanted = clean(changes)
    if "path" in wanted:
        wanted["path"] = [_stored(step) for step in wanted["path"]]
    fixed = {name for name in wanted if name not in CORRECTABLE and wanted[name] != getattr(run, name)}
    if fixed:
        raise KnowledgeInvalid(fields=dict.fromkeys(sorted(fixed), "read_only_field"))
    before = run.outcome
    _check_outcome(wanted.get("outcome", before), run.remedy)
    for name in CORRECTABLE:
        if name in wanted:
            setattr(run, name, wanted[name])
    session.flush()
    count_outcome(session, run, gone=before, come=run.outcome)
    session.refresh(run)
    return run


def _walked(session: Session, actor: Actor, version_id: UUID) -> TreeVersion:
    """The version that was walked; a draft, or one for others, is as unknown as none.

    Raises:
        ReferenceNotFound: No such version.
    """
    statement = queries.walkable_versions(actor).where(TreeVersion.id == version_id)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise ReferenceNotFound(field="tree_version_id")
    return found


def _follow(version: TreeVersion, path: list[Mapping[str, Any]]) -> Walk:
    taken = [Taken(step["node"], step.get("answer")) for step in path]
    walk = Tree.of(read_nodes(version.nodes)).walk(taken)
    if walk.problem is not None:
        node = taken[walk.step].node if taken else None
        raise PathImpossible(problem=str(walk.problem), step=walk.step, node=node)
    return walk


def _check_outcome(outcome: RunOutcome, remedy: str | None) -> None:
    if outcome is RunOutcome.SOLVED and remedy is None:
        raise OutcomeImpossible


def _stored(step: Mapping[str, Any]) -> dict[str, Any]:
    at = step.get("at")
    return {"node": step["node"], "answer": step.get("answer"), "at": wire_time(at) if at else None}
