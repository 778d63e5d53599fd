"""Trees on their way to phones: sound, read by a second person, and for nobody else."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden, HasDependants, NotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Role
from app.knowledge import service
from app.knowledge.service.errors import ReviewOwn
from app.knowledge.service.field_errors import TreeCodeTaken, TreeUnsound
from tests.knowledge.clinic import NOISE, Clinic, node
from tests.knowledge.library import Library
from tests.world import Person


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


def trees_seen_by(clinic: Clinic, person: Person) -> set[UUID]:
    with clinic.world.acting(person) as (session, actor):
        return {one.id for one in session.scalars(service.list_trees(session, actor))}


def versions_seen_by(clinic: Clinic, person: Person) -> set[UUID]:
    with clinic.world.acting(person) as (session, actor):
        return {one.id for one in session.scalars(service.list_tree_versions(session, actor))}


class TestSubmit:
    def problems(self, clinic: Clinic, tree: UUID, *nodes: dict[str, Any]) -> list[dict[str, Any]]:
        draft = clinic.draft(tree, nodes)
        with pytest.raises(TreeUnsound) as refused:
            clinic.step("submit_for_review", draft)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            found = service.find_problems(session, actor, draft)
        assert refused.value.details == {"problems": found}
        return found

    def test_names_the_nodes_of_a_cycle(self, clinic: Clinic) -> None:
        tree = clinic.tree(Role.TECHNICIAN)
        found = self.problems(
            clinic,
            tree,
            node("root", "symptom", ("go", "a")),
            node("a", "question", ("yes", "b"), ("no", "end")),
            node("b", "question", ("yes", "a")),
            node("end", "remedy"),
        )
        assert [(one["code"], sorted(one["nodes"])) for one in found] == [("cycle", ["a", "b"])]

    def test_names_a_part_that_is_no_product(self, clinic: Clinic) -> None:
        unknown = {"product_id": new_id(), "quantity": Decimal(1)}
        remedy = node("fix", "remedy", parts=[unknown])
        tree = clinic.tree(Role.TECHNICIAN)
        found = self.problems(clinic, tree, node("root", "symptom", ("go", "fix")), remedy)
        assert found == [{"code": "product_unknown", "nodes": ["fix"]}]

    def test_names_an_article_that_its_readers_do_not_have(self, clinic: Clinic) -> None:
        tree = clinic.tree(Role.TECHNICIAN, (Role.TECHNICIAN, clinic.library.unit()))
        shared = clinic.library.article(Role.TECHNICIAN, slug="strainer")
        clinic.library.published(shared)
        clinic.library.published(clinic.library.article(Role.REP, slug="price-talk"))
        nodes = [
            node("root", "symptom", ("go", "fix"), articles=["strainer"]),
            node("fix", "remedy", articles=["price-talk", "strainer"]),
        ]
        assert self.problems(clinic, tree, *nodes) == [{"code": "article_not_for_readers", "nodes": ["fix"]}]
        fit = clinic.draft(tree, [nodes[0], node("fix", "remedy", articles=["strainer"])])
        clinic.step("submit_for_review", fit)

    def test_looks_once_more_before_it_goes_out(self, clinic: Clinic) -> None:
        article = clinic.library.article(Role.TECHNICIAN, slug="strainer")
        clinic.library.published(article)
        tree = clinic.tree(Role.TECHNICIAN)
        nodes = [node("root", "symptom", ("go", "fix")), node("fix", "remedy", articles=["strainer"])]
        draft = clinic.draft(tree, nodes)
        for command in ("submit_for_review", "approve"):
            clinic.step(command, draft)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            service.update_article(session, actor, article, {"audiences": []}, now=utc_now())
        with pytest.raises(TreeUnsound):
            clinic.step("publish", draft)


class TestReview:
    def test_is_refused_to_who_drew_any_of_it(self, clinic: Clinic) -> None:
        draft = clinic.draft(clinic.tree(Role.TECHNICIAN))
        with clinic.world.acting(clinic.library.reviewer) as (session, actor):
            service.update_tree_version(session, actor, draft, {"changelog": "씰 추가"}, now=utc_now())
        clinic.step("submit_for_review", draft)
        for writer in (clinic.library.author, clinic.library.reviewer):
            with pytest.raises(ReviewOwn):
                clinic.step("approve", draft, by=writer)

    def test_leads_back_to_a_draft(self, clinic: Clinic) -> None:
        draft = clinic.draft(clinic.tree(Role.TECHNICIAN))
        clinic.step("submit_for_review", draft)
        clinic.step("approve", draft)
        assert clinic.step("reject", draft).reviewer_id is None
        with pytest.raises(TransitionNotAllowed) as refused:
            clinic.step("publish", draft)
        assert refused.value.details == {"status": "draft", "allowed": ["submit_for_review"]}


class TestScope:
    def test_of_readers_is_what_is_out_and_for_them(self, clinic: Clinic) -> None:
        technician, rep = clinic.technician(), clinic.world.person(Role.REP, clinic.world.north)
        tree, version = clinic.out(Role.TECHNICIAN)
        draft = clinic.draft(tree)
        unfinished = clinic.tree(Role.TECHNICIAN)
        assert (trees_seen_by(clinic, technician), versions_seen_by(clinic, technician)) == (
            {tree},
            {version},
        )
        assert trees_seen_by(clinic, rep) == versions_seen_by(clinic, rep) == set()
        assert trees_seen_by(clinic, clinic.library.author) == {tree, unfinished}
        assert versions_seen_by(clinic, clinic.library.author) == {version, draft}

    def test_of_a_unit_holds_all_below_it(self, clinic: Clinic) -> None:
        above = clinic.library.unit()
        below = clinic.library.unit(above)
        technician = clinic.technician()
        clinic.library.put_into(technician, below)
        tree, _ = clinic.out(above)
        assert trees_seen_by(clinic, technician) == {tree}
        clinic.world.sql("UPDATE org_units SET parent_id = NULL WHERE id = :id", id=below)
        assert trees_seen_by(clinic, technician) == set()

    def test_lets_readers_write_nothing(self, clinic: Clinic) -> None:
        technician = clinic.technician()
        tree, version = clinic.out(Role.TECHNICIAN)
        with clinic.world.acting(technician) as (session, actor), pytest.raises(Forbidden):
            service.update_tree(session, actor, tree, {"title_ko": "x"}, now=utc_now())
        with pytest.raises(Forbidden):
            clinic.step("withdraw", version, by=technician)
        with pytest.raises(NotFound):
            clinic.step("withdraw", version, by=clinic.world.person(Role.REP, clinic.world.north))


class TestTrees:
    def test_are_known_by_one_code(self, clinic: Clinic) -> None:
        clinic.tree(code="pump-noise")
        with pytest.raises(TreeCodeTaken):
            clinic.tree(code="pump-noise")

    def test_stay_while_a_version_is_out(self, clinic: Clinic) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        with clinic.world.acting(clinic.library.author) as (session, actor), pytest.raises(HasDependants):
            service.delete_tree(session, actor, tree, now=utc_now())
        clinic.step("withdraw", version)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            service.delete_tree(session, actor, tree, now=utc_now())
        assert trees_seen_by(clinic, clinic.library.author) == set()

    def test_next_version_is_a_copy_of_the_newest(self, clinic: Clinic) -> None:
        tree, _ = clinic.out(Role.TECHNICIAN)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            copy = service.create_tree_version(session, actor, {"tree_id": tree}, now=utc_now())
            assert ([one["id"] for one in copy.nodes], copy.n) == ([one["id"] for one in NOISE], 2)
            service.delete_tree_version(session, actor, copy.id, now=utc_now())
            third = service.create_tree_version(session, actor, {"tree_id": tree}, now=utc_now())
            assert third.n == 3
