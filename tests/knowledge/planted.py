"""Articles by plain SQL, for tests that need one of each."""

from typing import Any
from uuid import UUID

from app.core.clock import utc_now
from app.core.db import compact_json
from app.core.ids import new_id
from app.core.scope import ShapeClass
from tests.world import World


def plant_article(
    world: World,
    author_id: UUID,
    *,
    unit_id: UUID | None = None,
    role: str | None = None,
    words: str = "윤활유 교체 주기",
    **values: Any,
) -> dict[str, UUID]:
    """An article for a unit or a role, with words that are out (or in the ``status`` given)."""
    article_id, version_id = new_id(), new_id()
    status = values.pop("status", "published")
    world.insert(
        "articles", **{"id": article_id, "slug": f"a-{article_id}", "kind": "safety_notice"} | values
    )
    world.insert("article_audiences", id=new_id(), article_id=article_id, unit_id=unit_id, role=role)
    world.insert(
        "article_versions",
        id=version_id,
        article_id=article_id,
        language="ko",
        n=1,
        status=status,
        title=words,
        summary=words,
        body=words,
        changelog=words,
        keywords=[words],
        tokens=compact_json({words: 1}),
        author_id=author_id,
        published_at=utc_now(),
    )
    return {"article": article_id, "article_version": version_id}


def plant_receipt(world: World, planted: dict[str, UUID], user_id: UUID) -> UUID:
    """That somebody read it."""
    receipt_id = new_id()
    world.insert(
        "article_receipts",
        id=receipt_id,
        article_id=planted["article"],
        version_id=planted["article_version"],
        user_id=user_id,
        acknowledged_at=utc_now(),
    )
    return receipt_id


def plant_packs(world: World, bucket: str, *, words: str = "긴 문서") -> dict[str, UUID]:
    """What was left out for the readers of a bucket, by class."""
    ids = {shape.value: new_id() for shape in ShapeClass}
    left_out = [{"article_id": str(new_id()), "version_id": str(new_id()), "title": words}]
    for shape, pack_id in ids.items():
        world.insert(
            "knowledge_packs",
            id=pack_id,
            bucket=bucket,
            shape=shape,
            budget_kb=1,
            size_kb=1,
            included=0,
            omitted=1,
            left_out=compact_json(left_out),
        )
    return ids


def plant_tree(
    world: World,
    author_id: UUID,
    *,
    unit_id: UUID | None = None,
    role: str | None = None,
    words: str = "펌프 소음",
    **values: Any,
) -> dict[str, UUID]:
    """A tree of two nodes for a unit or a role, that is out (or in the ``status`` given)."""
    tree_id, version_id = new_id(), new_id()
    nodes: list[dict[str, Any]] = [
        {
            "id": "noise",
            "kind": "symptom",
            "ko": words,
            "answers": [{"id": "go", "ko": words, "next": "clean"}],
        },
        {"id": "clean", "kind": "remedy", "ko": words, "answers": []},
    ]
    world.insert("diagnosis_trees", id=tree_id, code=f"t-{tree_id}", title_ko=words, title_en=words)
    world.insert("diagnosis_audiences", id=new_id(), tree_id=tree_id, unit_id=unit_id, role=role)
    world.insert(
        "tree_versions",
        **{
            "id": version_id,
            "tree_id": tree_id,
            "n": 1,
            "status": "published",
            "nodes": compact_json(nodes),
            "changelog": words,
            "author_id": author_id,
            "published_at": utc_now(),
        }
        | values,
    )
    return {"diagnosis_tree": tree_id, "tree_version": version_id}


def plant_run(
    world: World,
    tree: dict[str, UUID],
    account_id: UUID,
    visit_id: UUID,
    author_id: UUID,
    words: str = "청소함",
) -> UUID:
    """A way that somebody took through it."""
    run_id = new_id()
    world.insert(
        "diagnosis_runs",
        id=run_id,
        account_id=account_id,
        visit_id=visit_id,
        tree_id=tree["diagnosis_tree"],
        tree_version_id=tree["tree_version"],
        author_id=author_id,
        path=compact_json([{"node": "noise", "answer": "go", "at": None}]),
        remedy="clean",
        outcome="solved",
        note=words,
        ran_at=utc_now(),
    )
    return run_id


def plant_said(
    world: World, article: dict[str, UUID], user_id: UUID, visit_id: UUID, words: str = "그림이 필요함"
) -> dict[str, UUID]:
    """What somebody said of an article, and asked besides."""
    ids = {
        name: new_id() for name in ("article_feedback", "article_proposal", "expert_question", "article_use")
    }
    of = {"article_id": article["article"], "version_id": article["article_version"]}
    now = utc_now()
    world.insert(
        "article_feedback",
        id=ids["article_feedback"],
        **of,
        user_id=user_id,
        helpful=True,
        comment=words,
        given_at=now,
    )
    world.insert(
        "article_proposals",
        id=ids["article_proposal"],
        **of,
        author_id=user_id,
        passage=words,
        correction=f"{words}.",
        reason=words,
        said=str(ids["article_proposal"]),
        status="declined",
        decline_reason=words,
        decided_by=user_id,
        decided_at=now,
        proposed_at=now,
    )
    world.insert(
        "expert_questions",
        id=ids["expert_question"],
        author_id=user_id,
        question=words,
        asked_at=now,
        status="answered",
        answer=words,
        answered_by=user_id,
        answered_at=now,
    )
    world.insert(
        "article_uses",
        id=ids["article_use"],
        **of,
        visit_id=visit_id,
        user_id=user_id,
        kind="read",
        used_at=now,
    )
    return ids
