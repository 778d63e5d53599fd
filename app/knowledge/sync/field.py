"""What phones hold of what their people said of articles: their own words, and what became of them."""

from sync.policy import Kind, Merge, Priority, SyncEntity, last_write, merged, read_only, reference

# What was said, and what was decided of it, leaves the phones after a while.
KEPT_DAYS = 90
_KEPT = f"CAST(:now AS timestamptz) - interval '{KEPT_DAYS * 24} hours'"


def _own(table: str, author: str, kept: str = "true") -> str:
    return f"""
        SELECT t.id AS record_id, 'user:' || t.{author} AS bucket, 'all' AS shape
        FROM {table} t
        WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND t.deleted_at IS NULL AND {kept}
    """  # noqa: S608  (built of constants of this file)


ARTICLE_FEEDBACK = SyncEntity(
    "article_feedback",
    table="article_feedback",
    fields={
        "version_id": last_write(Kind.ID),
        "article_id": read_only(Kind.ID),
        "helpful": last_write(Kind.BOOLEAN),
        "comment": last_write(),
        "given_at": last_write(Kind.TIME),
    },
    buckets=_own("article_feedback", "user_id", f"t.given_at > {_KEPT}"),
    in_scope=_own("article_feedback", "user_id"),
    priority=Priority.HISTORY,
    account_field=None,
    append_only=True,
)

ARTICLE_PROPOSAL = SyncEntity(
    "article_proposal",
    table="article_proposals",
    fields={
        "version_id": merged(Merge.SERVER_WINS, Kind.ID),
        "article_id": read_only(Kind.ID),
        "passage": merged(Merge.SERVER_WINS),
        "correction": merged(Merge.SERVER_WINS),
        "reason": merged(Merge.SERVER_WINS),
        "proposed_at": merged(Merge.SERVER_WINS, Kind.TIME),
        "status": read_only(),
        "duplicate_of_id": read_only(Kind.ID),
        "decided_at": read_only(Kind.TIME),
        "decline_reason": read_only(),
    },
    buckets=_own("article_proposals", "author_id", f"(t.decided_at IS NULL OR t.decided_at > {_KEPT})"),
    in_scope=_own("article_proposals", "author_id"),
    priority=Priority.HISTORY,
    account_field=None,
)

EXPERT_QUESTION = SyncEntity(
    "expert_question",
    table="expert_questions",
    fields={
        "product_id": merged(Merge.SERVER_WINS, Kind.ID),
        "language": merged(Merge.SERVER_WINS),
        "question": merged(Merge.SERVER_WINS),
        "asked_at": merged(Merge.SERVER_WINS, Kind.TIME),
        "status": read_only(),
        "answer": read_only(),
        "answered_at": read_only(Kind.TIME),
        "article_id": read_only(Kind.ID),
    },
    buckets=_own("expert_questions", "author_id", f"(t.answered_at IS NULL OR t.answered_at > {_KEPT})"),
    in_scope=_own("expert_questions", "author_id"),
    priority=Priority.HISTORY,
    account_field=None,
)

ARTICLE_USE = SyncEntity(
    "article_use",
    table="article_uses",
    fields={
        "visit_id": reference("visit"),
        "version_id": last_write(Kind.ID),
        "article_id": read_only(Kind.ID),
        "kind": last_write(),
        "used_at": last_write(Kind.TIME),
    },
    buckets=_own("article_uses", "user_id", f"t.used_at > {_KEPT}"),
    in_scope=_own("article_uses", "user_id"),
    priority=Priority.HISTORY,
    account_field=None,
    append_only=True,
)
