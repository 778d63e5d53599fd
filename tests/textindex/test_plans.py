"""How PostgreSQL reads the index when the app role asks: lists by their token, and never a whole table."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from app.config import Config
from app.core.ids import new_id
from app.doctor.finding import connect
from app.textindex import service
from app.textindex.service import Document, Facts, Visible
from app.textindex.tokens import Text, analyse
from tests.textindex.test_service import EVERYTHING, NOW, REPS
from tests.world import Person, World

pytestmark = pytest.mark.more

TABLES = {"search_tokens", "search_documents", "search_words"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def hot_plans(person: Person, words: str, visible: Visible) -> list[dict[str, Any]]:
    """Plans of all statements of a search that read the index."""
    engine, asked = person.world.db.app, []

    def note(connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if any(table in statement for table in TABLES):
            asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with person.world.acting(person) as (session, actor):
            service.find(session, actor, analyse(words), kinds={"article_version": visible}, limit=5)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with person.world.acting(person) as (session, _):
        connection = session.connection()
        return [
            connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()[0]["Plan"]
            for statement, values in asked
        ]


@pytest.fixture
def rep(world: World, migrated: Config) -> Person:
    """Somebody in a company with 3,000 articles that all have the same words."""
    documents = [
        Document(
            new_id(),
            [Text("title", f"펌프 누유 점검 {n}"), Text("body", "윤활유를 교환합니다.")],
            Facts(buckets=REPS),
        )
        for n in range(3_000)
    ]
    with world.session() as session:
        service.put_many(session, world.id, "article_version", documents, now=NOW)
    with connect(migrated, "owner") as owner:
        for table in TABLES:
            owner.execute(text(f"ANALYZE {table}"))
        owner.commit()
    return world.person("rep")


@pytest.mark.parametrize("words", ["누유", "펌프에서 누유가 나는데 점검 방법", "누휴", "ㅍㅍ ㄴㅇ"])
def test_a_frequent_word_is_looked_up_in_the_index_and_no_table_is_read_as_a_whole(
    rep: Person, words: str
) -> None:
    for visible in (Visible(EVERYTHING.condition, REPS), EVERYTHING):
        found = [node for plan in hot_plans(rep, words, visible) for node in nodes(plan)]
        lists = [node for node in found if node.get("Relation Name") == "search_tokens"]
        known = [node for node in found if node.get("Relation Name") == "search_words"]

        assert lists
        for node in lists + known:
            condition = node.get("Index Cond") or node.get("Recheck Cond") or ""
            assert "tenant_id" in condition, node
            assert ("key" if node in known else "token") in condition, node
