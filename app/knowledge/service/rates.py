"""How often the remedies of a tree helped, in steps that change seldom enough for phones."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.knowledge.models import DiagnosisRun, RemedyTally, RunOutcome, TreeVersion
from app.knowledge.queries import diagnosis as queries
from app.knowledge.states.articles import VersionStatus
from app.knowledge.trees import NodeKind, success_step


def rates_of(session: Session, version: TreeVersion) -> dict[str, int]:
    """The steps of the remedies that the version has, of all runs on any version of its tree."""
    remedies = {node["id"] for node in version.nodes if node["kind"] == NodeKind.REMEDY}
    steps = {
        tally.node: success_step(tally.solved, tally.runs)
        for tally in queries.tallies_of(session, version.tenant_id, version.tree_id)
        if tally.node in remedies
    }
    return {node: step for node, step in steps.items() if step is not None}


def count_outcome(
    session: Session, run: DiagnosisRun, *, gone: RunOutcome | None = None, come: RunOutcome | None = None
) -> None:
    """Keep the tally of a run's remedy, and the published version's step of it where that is another one now.

    Args:
        session: Open session of the tenant; the caller commits.
        run: Its remedy was tried, or this does nothing.
        gone: What no longer came of it.
        come: What did.
    """
    if run.remedy is None or gone is come:
        return
    queries.count_run(session, run, gone=gone, come=come)
    tally = session.get_one(RemedyTally, (run.tenant_id, run.tree_id, run.remedy), populate_existing=True)
    step = success_step(tally.solved, tally.runs)
    out = _published(session, run.tenant_id, run.tree_id)
    if out is None or out.rates.get(run.remedy) == step:
        return
    # Another remedy of the tree may move at the same moment: who has the row reads what both counted.
    session.refresh(out, with_for_update={"key_share": True})
    rates: dict[str, Any] = rates_of(session, out)
    if out.status is VersionStatus.PUBLISHED and rates != out.rates:
        out.rates = rates
        session.flush()


def _published(session: Session, tenant_id: UUID, tree_id: UUID) -> TreeVersion | None:
    return session.scalars(
        select(TreeVersion)
        .where(
            TreeVersion.tenant_id == tenant_id,
            TreeVersion.tree_id == tree_id,
            TreeVersion.status == VersionStatus.PUBLISHED,
            TreeVersion.deleted_at.is_(None),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
