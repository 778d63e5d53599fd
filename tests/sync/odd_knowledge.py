"""The same of what people have to know."""

from datetime import date
from uuid import UUID

import orjson

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.sync.odd_orders import JSON, MOST_WHOLE, TEXTS
from tests.sync.odd_records import FIRST, LAST, LONG, NASTY, Records


def knowledge(records: Records, people: dict[str, UUID], account: UUID) -> None:
    """An empty article and a full one for everybody, what was said of them, and a pack for each class."""
    product = records.ids["product"][0]
    empty = records.add("article", slug="a", kind="faq")
    full = records.add(
        "article",
        slug="a-" * 39 + "b2",
        kind="safety_notice",
        must_read=True,
        for_customers=True,
        priority=4,
        asset_models=TEXTS,
        editor_id=people["rep"],
        review_every_days=1,
        next_review_on=date(9999, 12, 31),
    )
    records.add_parts("article", "products", full, {"product_id": product})
    for article in (empty, full):
        for role in ("rep", "technician", "manager", "partner"):
            records.world.insert("article_audiences", id=new_id(), article_id=article, role=role)
    author = {"author_id": people["rep"], "status": "published"}
    records.add(
        "article_version", **author, article_id=empty, language="ko", n=1, title="", published_at=FIRST
    )
    version = records.add(
        "article_version",
        **author,
        **dict.fromkeys(("title", "summary", "changelog"), NASTY),
        article_id=full,
        language="en",
        n=MOST_WHOLE,
        body=LONG,
        keywords=TEXTS,
        tokens=JSON,
        rating=0,
        effective_from=date(1900, 1, 1),
        effective_to=date(9999, 12, 31),
        published_at=LAST,
    )
    for user_id in people.values():
        records.add(
            "article_receipt", article_id=full, version_id=version, user_id=user_id, acknowledged_at=LAST
        )
        said(records, full, version, user_id)
    diagnosis(records, people["rep"], account)
    for role, shape in (
        ("rep", "sales"),
        ("technician", "service"),
        ("manager", "manager"),
        ("partner", "partner"),
    ):
        records.add(
            "knowledge_pack",
            bucket=f"audience:{role}",
            shape=shape,
            budget_kb=MOST_WHOLE,
            size_kb=-MOST_WHOLE,
            included=0,
            omitted=0,
            left_out=JSON,
        )


def said(records: Records, article: UUID, version: UUID, user_id: UUID) -> None:
    """As little as one may say of an article, and as much."""
    of = {"article_id": article, "version_id": version}
    visit, now = records.ids["visit"][0], utc_now()
    records.add("article_feedback", **of, user_id=user_id, helpful=False, given_at=now)
    records.add("article_feedback", **of, user_id=user_id, helpful=True, comment=NASTY, given_at=LAST)
    first = records.add(
        "article_proposal", **of, author_id=user_id, correction="", said="", proposed_at=FIRST
    )
    records.add(
        "article_proposal",
        **of,
        **dict.fromkeys(("passage", "correction", "reason", "decline_reason"), NASTY),
        author_id=user_id,
        said="2",
        status="duplicate",
        duplicate_of_id=first,
        decided_at=LAST,
        proposed_at=LAST,
    )
    records.add("expert_question", author_id=user_id, question="", asked_at=FIRST)
    records.add(
        "expert_question",
        author_id=user_id,
        product_id=records.ids["product"][0],
        language="en",
        question=LONG,
        asked_at=LAST,
        status="published",
        answer=NASTY,
        answered_at=LAST,
        article_id=article,
    )
    records.add("article_use", **of, visit_id=visit, user_id=user_id, kind="solved", used_at=now)


def diagnosis(records: Records, author: UUID, account: UUID) -> None:
    """An empty tree and a full one for everybody, and what was done with them."""
    product = records.ids["product"][0]
    empty = records.add("diagnosis_tree", code="a", title_ko="")
    full = records.add("diagnosis_tree", code="a-" * 39 + "b2", title_ko=NASTY, title_en=LONG)
    records.add_parts("diagnosis_tree", "products", full, {"product_id": product})
    for tree in (empty, full):
        for role in ("rep", "technician", "manager", "partner"):
            records.world.insert("diagnosis_audiences", id=new_id(), tree_id=tree, role=role)
    out = {"author_id": author, "status": "published"}
    records.add("tree_version", **out, tree_id=empty, n=1, published_at=FIRST)
    version = records.add(
        "tree_version",
        **out,
        tree_id=full,
        n=MOST_WHOLE,
        nodes=JSON,
        rates=JSON,
        changelog=NASTY,
        published_at=LAST,
    )
    run = {
        "account_id": account,
        "visit_id": records.ids["visit"][0],
        "tree_id": full,
        "tree_version_id": version,
        "author_id": author,
    }
    records.add("diagnosis_run", **run, path="[]", outcome="escalated", ran_at=FIRST)
    path = [{"node": NASTY, "answer": NASTY, "at": "2026-11-21T09:00:00.000001Z"}]
    path.append({"node": "", "answer": None, "at": None})
    records.add(
        "diagnosis_run",
        **run,
        path=orjson.dumps(path).decode(),
        remedy=NASTY,
        outcome="solved",
        note=NASTY,
        ran_at=LAST,
    )
