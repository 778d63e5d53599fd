"""Articles go out and are taken back when their time has come, and packs are filled again."""

from datetime import datetime
from uuid import UUID

from app.core.db import Database
from app.knowledge import service as knowledge

ACTOR = "job:knowledge"
BATCH = 500


def move_knowledge(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Publish and withdraw what is due, each version in a transaction of its own, then see what fits into packs.

    Safe to repeat and to run twice at once: an article that somebody is working on waits for the next run.

    Args:
        db: Pools; the app role writes, so that the ledger names the job.
        tenant_id: Whose articles.
        now: Server time, aware UTC.

    Returns:
        How many versions moved, into a pack and out of one as well.
    """
    with db.session(tenant_id, actor=ACTOR) as session:
        due = knowledge.due_versions(session, tenant_id, now=now, limit=BATCH)
    moved = 0
    for version_id in due:
        with db.session(tenant_id, actor=ACTOR) as session:
            moved += knowledge.move_due_version(session, tenant_id, version_id, now=now)
    with db.session(tenant_id, actor=ACTOR) as session:
        moved += knowledge.fill_packs(session, tenant_id, now=now)
    return moved
