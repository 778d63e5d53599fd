"""`flask search`."""

from app.core.ids import new_id
from tests.cli.conftest import Run
from tests.search.test_finding import found, run_the_job, search
from tests.search.test_indexing import indexed
from tests.world import World


class TestRebuild:
    def test_heals_an_index_that_was_emptied(self, flask: Run, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account(name="한빛정밀")
        run_the_job(world)
        world.engine_sql("DELETE FROM search_tokens WHERE tenant_id = :tenant")
        world.engine_sql("DELETE FROM search_documents WHERE tenant_id = :tenant")
        assert search(rep, "한빛정밀")["total"] == 0

        done = flask("search", "rebuild", "--tenant", world.code)

        assert done.exit_code == 0, done.output
        assert "1 records indexed" in done.output
        assert indexed(world) == {account}
        assert found(rep, "한빛정밀") == ["한빛정밀"]

    def test_takes_out_what_is_no_more(self, flask: Run, world: World) -> None:
        account = world.account(name="한빛정밀")
        run_the_job(world)
        world.engine_sql("DELETE FROM accounts WHERE tenant_id = :tenant AND id = :id", id=account)
        world.engine_sql("UPDATE search_progress SET settled_id = 999999999 WHERE tenant_id = :tenant")

        flask("search", "rebuild", "--tenant", world.code)

        assert indexed(world) == set()

    def test_of_a_company_that_is_not_there_says_so(self, flask: Run) -> None:
        done = flask("search", "rebuild", "--tenant", "nobody")

        assert done.exit_code != 0
        assert "nobody" in done.output


class TestStarter:
    def test_adds_each_group_once_and_leaves_the_editors_words_alone(self, flask: Run, world: World) -> None:
        world.insert("search_synonyms", id=new_id(), words=["누유", "기름 샘"], audience=["sales"])
        first = flask("search", "starter", "--tenant", world.code)
        again = flask("search", "starter", "--tenant", world.code)

        assert first.exit_code == again.exit_code == 0, first.output
        assert again.output.startswith("0 groups")
        groups = [
            set(row[0]) for row in world.sql("SELECT words FROM search_synonyms WHERE tenant_id = :tenant")
        ]
        assert sum("누유" in words for words in groups) == 1
        assert any({"수리", "정비"} <= words for words in groups)
        assert len(groups) > 900
