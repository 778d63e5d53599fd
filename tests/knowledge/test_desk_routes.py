"""Diagnosis, the editors' desk and the 360 of a product over REST."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from tests.knowledge.clinic import Clinic
from tests.knowledge.library import Library
from tests.world import Person

Json = dict[str, Any]
API = "/api/v1"

NODES: list[Json] = [
    {
        "id": "noise",
        "kind": "symptom",
        "ko": "펌프에서 소음이 난다",
        "answers": [{"id": "go", "ko": "다음", "next": "clean"}],
    },
    {"id": "clean", "kind": "remedy", "ko": "스트레이너 청소"},
]


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


def call(person: Person, method: str, path: str, body: Any = None, etag: str | None = None) -> Any:
    return person.call(method, f"{API}/{path}", body, **({"If-Match": etag} if etag else {}))


def obey(person: Person, path: str, command: str, **args: Any) -> Any:
    etag = call(person, "GET", path).headers["ETag"]
    return call(person, "POST", f"{path}/{command}", args, etag)


class TestTreesOverRest:
    def test_go_from_a_draft_to_a_run_and_its_correction(self, clinic: Clinic) -> None:
        author, reviewer = clinic.library.author, clinic.library.reviewer
        technician = clinic.technician()
        tree = call(
            author,
            "POST",
            "knowledge/trees",
            {"code": "pump-noise", "title_ko": "펌프 소음", "audiences": [{"role": "technician"}]},
        ).json["id"]
        version = call(author, "POST", "knowledge/tree-versions", {"tree_id": tree, "nodes": NODES}).json[
            "id"
        ]
        place = f"knowledge/tree-versions/{version}"
        assert call(author, "GET", f"{place}/problems").json == {"problems": []}
        assert call(technician, "GET", place).status_code == 404
        assert obey(author, place, "submit-for-review").status_code == 200
        assert obey(author, place, "approve").json["code"] == "knowledge.review_own"
        assert obey(reviewer, place, "approve").status_code == 200
        assert obey(reviewer, place, "publish").json["status"] == "published"

        read = call(technician, "GET", place).json
        assert [(node["id"], node["parts"], node["articles"]) for node in read["nodes"]] == [
            ("noise", [], []),
            ("clean", [], []),
        ]
        account, visit = clinic.visit(technician)
        run = call(
            technician,
            "POST",
            "knowledge/runs",
            {
                "account_id": str(account),
                "visit_id": str(visit),
                "tree_version_id": version,
                "path": [{"node": "noise", "answer": "go", "at": "2026-11-21T09:00:00Z"}, {"node": "clean"}],
                "outcome": "solved",
            },
        )
        assert (run.status_code, run.json["remedy"]) == (201, "clean")
        assert run.json["path"][0] == {"node": "noise", "answer": "go", "at": "2026-11-21T09:00:00.000000Z"}
        place = f"knowledge/runs/{run.json['id']}"
        corrected = call(technician, "PATCH", place, {"outcome": "not_solved"}, run.headers["ETag"])
        assert (corrected.status_code, corrected.json["outcome"]) == (200, "not_solved")
        assert call(technician, "PATCH", place, {"outcome": "solved"}, run.headers["ETag"]).status_code == 412
        remedies = call(author, "GET", f"knowledge/trees/{tree}/remedies").json["items"]
        assert remedies == [{"node": "clean", "runs": 1, "solved": 0, "not_solved": 1, "escalated": 0}]

    def test_name_the_nodes_at_fault(self, clinic: Clinic) -> None:
        author = clinic.library.author
        tree = clinic.tree(Role.TECHNICIAN)
        circle = [
            NODES[0],
            NODES[1] | {"kind": "question", "answers": [{"id": "again", "ko": "다시", "next": "noise"}]},
        ]
        body = {"tree_id": str(tree), "nodes": circle}
        version = call(author, "POST", "knowledge/tree-versions", body).json["id"]
        refused = obey(author, f"knowledge/tree-versions/{version}", "submit-for-review")
        assert (refused.status_code, refused.json["code"]) == (422, "diagnosis.tree_unsound")
        problems = {one["code"]: sorted(one["nodes"]) for one in refused.json["details"]["problems"]}
        assert problems == {
            "root_missing": [],
            "symptom_inside": ["noise"],
            "cycle": ["clean", "noise"],
        }

    def test_take_two_thousand_nodes_and_no_more(self, clinic: Clinic) -> None:
        author = clinic.library.author
        tree = clinic.tree(Role.TECHNICIAN)
        many = [NODES[0], *({"id": f"r{n}", "kind": "remedy", "ko": "조치"} for n in range(2_000))]
        refused = call(author, "POST", "knowledge/tree-versions", {"tree_id": str(tree), "nodes": many})
        assert refused.status_code == 422
        assert refused.json["errors"][0]["code"] == "too_many_items"
        taken = call(author, "POST", "knowledge/tree-versions", {"tree_id": str(tree), "nodes": many[:-1]})
        assert taken.status_code == 201

    def test_tell_editors_alone_whom_they_are_for(self, clinic: Clinic) -> None:
        tree, _ = clinic.out(Role.TECHNICIAN)
        kept = call(clinic.library.author, "GET", f"knowledge/trees/{tree}/keeping").json
        assert kept["audiences"] == [{"role": "technician", "unit_id": None}]
        assert call(clinic.technician(), "GET", f"knowledge/trees/{tree}/keeping").status_code == 403

    def test_leave_their_runs_in_the_history_of_the_account_and_hold_the_visit(self, clinic: Clinic) -> None:
        rep = clinic.world.person(Role.REP, clinic.world.north)
        _, version = clinic.out(Role.REP)
        account, visit = clinic.visit(rep)
        clinic.run(rep, version, account_id=account, visit_id=visit)
        events = call(rep, "GET", f"accounts/{account}/timeline").json["items"]
        (told,) = [event for event in events if event["entity"] == "diagnosis_run"]
        assert sorted(told["fields_changed"]) == ["note", "outcome", "remedy"]
        etag = call(rep, "GET", f"visits/{visit}").headers["ETag"]
        assert call(rep, "DELETE", f"visits/{visit}", etag=etag).json["code"] == "has_dependants"


class TestDesk:
    def test_proposal_is_accepted_once(self, clinic: Clinic) -> None:
        library = clinic.library
        _, version = library.out(Role.TECHNICIAN)
        technician = clinic.technician()
        body = {"version_id": str(version), "passage": "6개월", "correction": "3개월"}
        made = call(technician, "POST", "knowledge/proposals", body)
        place = f"knowledge/proposals/{made.json['id']}"
        etag = made.headers["ETag"]
        assert call(library.author, "POST", f"{place}/accept", {}, etag).json["status"] == "accepted"
        assert call(library.reviewer, "POST", f"{place}/accept", {}, etag).status_code == 412
        again = obey(library.reviewer, place, "accept")
        assert (again.status_code, again.json["code"]) == (409, "transition_not_allowed")
        assert again.json["details"] == {"status": "accepted", "allowed": []}

    def test_due_and_queue_and_report_are_for_editors(self, clinic: Clinic) -> None:
        library = clinic.library
        technician = clinic.technician()
        today = utc_now().date()
        due = library.article(Role.REP, next_review_on=today - timedelta(days=1))
        soon = library.article(Role.REP, next_review_on=today + timedelta(days=20))
        library.article(Role.REP, next_review_on=today + timedelta(days=90))
        found = call(library.author, "GET", "knowledge/due").json["items"]
        assert [one["id"] for one in found] == [str(due)]
        found = call(library.author, "GET", "knowledge/due?within_days=30").json["items"]
        assert [one["id"] for one in found] == [str(due), str(soon)]
        assert call(library.author, "GET", "knowledge/queue").json == {"counts": [], "items": []}
        assert call(library.author, "GET", "knowledge/report").json["items"] == []
        for path in ("due", "queue", "report"):
            assert call(technician, "GET", f"knowledge/{path}").status_code == 403

    def test_promoted_note_names_its_draft(self, clinic: Clinic) -> None:
        technician = clinic.technician()
        _, visit = clinic.visit(technician, report="한빛 900101-1234567")
        body = {"visit_id": str(visit), "title": "소음"}
        made = call(technician, "POST", "knowledge/promote", body)
        assert made.status_code == 201
        draft = call(clinic.library.author, "GET", f"knowledge/versions/{made.json['version_id']}").json
        assert draft["body"] == "한빛 900101-\\*\\*\\*\\*\\*\\*\\*"
        assert call(technician, "POST", "knowledge/promote", body).status_code == 409


class TestProductView:
    @pytest.fixture
    def product(self, clinic: Clinic) -> UUID:
        """With a price for the north, a promotion for everybody, an article for each side, and a tree."""
        world, product, listed, price = clinic.world, new_id(), new_id(), new_id()
        world.insert("products", id=product, sku="OIL-1", name="엔진오일", base_unit="EA", categories=["oil"])
        world.insert("price_lists", id=listed, code="L1", name="기본", currency="KRW")
        world.insert("price_list_assignments", id=new_id(), price_list_id=listed, territory_id=world.north)
        world.insert(
            "prices", id=price, price_list_id=listed, product_id=product, valid_from=date(2020, 1, 1)
        )
        world.insert(
            "price_items",
            id=new_id(),
            price_id=price,
            unit="EA",
            price=Decimal(1200),
            floor_price=Decimal(900),
        )
        ended = new_id()
        world.insert(
            "prices",
            id=ended,
            price_list_id=listed,
            product_id=product,
            valid_from=date(2019, 1, 1),
            valid_to=date(2019, 12, 31),
        )
        for code, categories in (("OIL-10", ["oil"]), ("PUMP-10", ["pump"])):
            world.insert(
                "promotions",
                id=new_id(),
                code=code,
                name=code,
                benefit="percent",
                value=10,
                categories=categories,
            )
        about = {"products": [{"product_id": product}]}
        for role in (Role.REP, Role.TECHNICIAN):
            clinic.library.published(clinic.library.article(role, slug=f"for-{role}", **about))
        clinic.out(Role.TECHNICIAN, code="oil-smell", **about)
        return product

    def view(self, person: Person, product: UUID) -> Json:
        response = call(person, "GET", f"products/{product}/360")
        assert response.status_code == 200, response.get_data(as_text=True)
        found: Json = response.json
        return found

    def test_tells_a_rep_prices_promotions_and_what_is_for_reps(self, clinic: Clinic, product: UUID) -> None:
        rep = clinic.world.person(Role.REP, clinic.world.north)
        asked = call(rep, "POST", "knowledge/questions", {"question": "?", "product_id": str(product)}).json
        found = self.view(rep, product)
        assert found["product"]["sku"] == "OIL-1"
        assert [price["items"][0]["price"] for price in found["prices"]] == ["1200.0000"]
        assert [one["code"] for one in found["promotions"]] == ["OIL-10"]
        assert [one["slug"] for one in found["articles"]] == ["for-rep"]
        assert [one["id"] for one in found["questions"]] == [asked["id"]]
        assert found["trees"] == []

    def test_tells_technicians_and_partners_no_sales_terms(self, clinic: Clinic, product: UUID) -> None:
        for person in (
            clinic.technician(),
            clinic.world.person(Role.TECHNICIAN, clinic.world.north),
            clinic.world.person(Role.PARTNER, clinic.world.north),
        ):
            response = call(person, "GET", f"products/{product}/360")
            assert (response.json["prices"], response.json["promotions"]) == ([], [])
            for secret in ("1200", "900.", "OIL-10"):
                assert secret not in response.get_data(as_text=True)
        technician = self.view(clinic.technician(), product)
        assert [one["slug"] for one in technician["articles"]] == ["for-technician"]
        assert [one["code"] for one in technician["trees"]] == ["oil-smell"]

    def test_tells_nobody_a_floor_or_a_foreign_price(self, clinic: Clinic, product: UUID) -> None:
        south = clinic.world.person(Role.REP, clinic.world.south)
        assert self.view(south, product)["prices"] == []
        rep = clinic.world.person(Role.REP, clinic.world.north)
        assert "900.0000" not in call(rep, "GET", f"products/{product}/360").get_data(as_text=True)

    def test_of_no_product_is_not_found(self, clinic: Clinic) -> None:
        assert call(clinic.technician(), "GET", f"products/{new_id()}/360").status_code == 404
