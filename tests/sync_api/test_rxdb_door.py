"""The RxDB door: what goes over the wire, and what is left on the server."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs.retention import forget_the_past
from app.sync_api.pushing import Identity
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.rxdb.pushing import RowPushing
from app.sync_api.rxdb.wire import Row
from tests.http.test_strict_json import REFUSED
from tests.world import Person, World

BASE = "/api/v1/sync/rxdb"


class Phone:
    """Speaks as the client does, with what it holds of one collection in a dictionary."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.checkpoints: dict[str, Any] = {}
        self.held: dict[str, dict[str, Any]] = {}

    def page(self, entity: str, limit: int = 100, **query: Any) -> dict[str, Any]:
        checkpoint = json.dumps(self.checkpoints.get(entity))
        response = self.person.world.app.test_client().get(
            f"{BASE}/{entity}/pull",
            query_string={"checkpoint": checkpoint, "limit": limit} | query,
            headers=self.person.headers,
        )
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.json  # type: ignore[no-any-return]

    def pull(self, entity: str, limit: int = 100, **query: Any) -> list[dict[str, Any]]:
        """All pages, as the client reads them: an empty page ends and leaves the checkpoint."""
        found = []
        for _ in range(500):
            page = self.page(entity, limit, **query)
            if not page["documents"]:
                return found
            self.checkpoints[entity] = page["checkpoint"]
            found += page["documents"]
            for one in page["documents"]:
                self.held.pop(one["id"], None)
                if not one["_deleted"]:
                    self.held[one["id"]] = one
            if len(page["documents"]) < limit:
                return found
        raise AssertionError("no end")

    def push(self, entity: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        response = self.person.call("POST", f"{BASE}/{entity}/push", list(rows))
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.json  # type: ignore[no-any-return]

    def edited(self, record_id: UUID | str, **fields: Any) -> dict[str, Any]:
        """A row that edits what the phone holds."""
        held = self.held[str(record_id)]
        return {"newDocumentState": held | fields, "assumedMasterState": held}

    def created(self, record_id: UUID | str, **fields: Any) -> dict[str, Any]:
        return {"newDocumentState": {"id": str(record_id), **fields, "_deleted": False}}


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def phone(rep: Person) -> Phone:
    return Phone(rep)


def name_of(world: World, account: UUID, column: str = "name") -> Any:
    return world.sql(f"SELECT {column} FROM accounts WHERE id = :id", id=account)[0][0]


class TestAPage:
    def test_is_filled_to_exactly_the_limit_whatever_lies_between(self, world: World, phone: Phone) -> None:
        for number in range(7):
            account = world.account(name=f"가게 {number}")
            world.account(world.south, name="남의 가게")
            world.insert("contacts", id=new_id(), account_id=account, name="김")

        sizes = []
        for _ in range(4):
            page = phone.page("account", 2)
            sizes.append(len(page["documents"]))
            phone.checkpoints["account"] = page["checkpoint"]

        assert sizes == [2, 2, 2, 1]

    def test_holds_documents_of_its_collection_only(self, world: World, phone: Phone) -> None:
        account = world.account()
        world.insert("contacts", id=new_id(), account_id=account, name="김")

        (one,) = phone.pull("account")

        assert (one["id"], one["_deleted"]) == (str(account), False)
        assert one["generation"] >= 1
        assert [c["account_id"] for c in phone.pull("contact")] == [str(account)]

    def test_names_what_left_the_scope_as_deleted(self, world: World, phone: Phone) -> None:
        kept, lost = world.account(), world.account()
        phone.pull("account")
        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=lost)

        assert phone.pull("account") == [{"id": str(lost), "_deleted": True}]
        assert set(phone.held) == {str(kept)}

    def test_gives_a_gained_territory_whole(self, world: World, rep: Person, phone: Phone) -> None:
        first = world.account()
        phone.pull("account")
        more = {str(world.account(world.south)) for _ in range(5)}
        with world.session() as session:
            world.join(session, rep.id, world.south)

        phone.pull("account", 2)

        assert set(phone.held) == {str(first)} | more

    def test_names_what_the_phone_made_and_another_deleted_before_any_page_held_it(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account()
        phone.pull("contact")
        record_id = new_id()
        phone.push("contact", phone.created(record_id, name="김", account_id=str(account)))
        world.sql("UPDATE contacts SET deleted_at = now() WHERE id = :id", id=record_id)

        assert phone.pull("contact") == [{"id": str(record_id), "_deleted": True}]

    def test_holds_what_was_just_pushed_once_more(self, world: World, phone: Phone) -> None:
        account = world.account()
        phone.pull("account")
        phone.push("account", phone.edited(account, name="새 이름"))
        phone.pull("account")

        assert [one["name"] for one in phone.pull("account")] == ["새 이름"]

    def test_at_the_head_is_empty(self, world: World, phone: Phone) -> None:
        world.account()
        phone.pull("account")

        assert phone.page("account")["documents"] == []

    def test_of_no_collection_is_not_found(self, phone: Phone) -> None:
        assert phone.person.call("GET", f"{BASE}/nothing/pull").status_code == 404
        assert phone.person.call("POST", f"{BASE}/nothing/push", []).status_code == 404

    def test_for_a_checkpoint_of_another_device_begins_anew(
        self, world: World, rep: Person, phone: Phone
    ) -> None:
        account = world.account()
        phone.pull("account")
        world.log_in(rep)

        page = phone.page("account")

        assert page["rebase"]
        assert [one["id"] for one in page["documents"]] == [str(account)]

    def test_for_a_checkpoint_of_another_collection_begins_anew(self, world: World, phone: Phone) -> None:
        world.account()
        phone.pull("account")
        phone.checkpoints["contact"] = phone.checkpoints["account"]

        assert phone.page("contact")["rebase"]

    def test_that_begins_anew_has_a_higher_number_than_all_before_by_whichever_login(
        self, world: World, rep: Person, phone: Phone
    ) -> None:
        world.account()
        first = phone.page("account")
        phone.pull("account")
        again = phone.page("account")
        world.log_in(rep)
        anew = phone.page("account")
        phone.checkpoints["account"] = {"c": "nothing that was given"}
        later = phone.page("account")

        assert [one["rebase"] for one in (first, again, anew, later)] == [False, False, True, True]
        assert first["generation"] == again["generation"] < anew["generation"] < later["generation"]
        assert {one["generation"] for one in later["documents"]} == {later["generation"]}

    def test_that_goes_on_after_that_has_the_same_number(
        self, world: World, rep: Person, phone: Phone
    ) -> None:
        for number in range(3):
            world.account(name=f"가게 {number}")
        phone.pull("account")
        world.log_in(rep)
        anew = phone.page("account", limit=2)
        phone.checkpoints["account"] = anew["checkpoint"]
        rest = phone.page("account", limit=2)

        assert (anew["rebase"], rest["rebase"]) == (True, False)
        numbers = {one["generation"] for one in (*anew["documents"], *rest["documents"])}
        assert numbers == {anew["generation"]} == {rest["generation"]}


class TestAPush:
    def test_of_another_field_than_others_changed_is_merged_and_one_push_converges(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account(name="가람상사", phone="+8225550100")
        phone.pull("account")
        world.sql("UPDATE accounts SET phone = '+8225550199' WHERE id = :id", id=account)

        (master,) = phone.push("account", phone.edited(account, website="https://garam.example"))

        assert (master["phone"], master["website"]) == ("+8225550199", "https://garam.example")
        assert phone.pull("account")[-1]["version"] == master["version"]
        assert name_of(world, account, "website") == "https://garam.example"

    def test_that_was_taken_as_it_is_is_answered_by_nothing(self, world: World, phone: Phone) -> None:
        account = world.account()
        phone.pull("account")

        assert phone.push("account", phone.edited(account, name="새 이름")) == []
        assert name_of(world, account) == "새 이름"

    def test_that_is_delivered_twice_counts_once(self, world: World, phone: Phone) -> None:
        account = world.account()
        phone.pull("account")
        row = phone.edited(account, name="새 이름")

        assert phone.push("account", row) == phone.push("account", row) == []
        assert world.sql("SELECT count(*) FROM changes WHERE record_id = :id", id=account)[0][0] == 2

    def test_that_undoes_and_does_again_before_any_pull_is_no_copy(self, world: World, phone: Phone) -> None:
        account = world.account(name="하나")
        phone.pull("account")
        there = phone.edited(account, name="둘")
        back = {
            "newDocumentState": there["assumedMasterState"],
            "assumedMasterState": there["newDocumentState"],
        }

        for row in (there, back, there):
            assert phone.push("account", row) == []

        assert name_of(world, account) == "둘"

    def test_on_what_was_given_before_all_came_anew_is_answered_by_the_record_with_its_new_number(
        self, world: World, rep: Person, phone: Phone
    ) -> None:
        """The client passed over it in the page: left below the number, the clean-up would delete it."""
        account = world.account()
        phone.pull("account")
        row = phone.edited(account, legal_name="가람 주식회사")
        world.log_in(rep)
        anew = phone.page("account")

        (answered,) = phone.push("account", row)

        assert (answered["generation"], answered["legal_name"]) == (anew["generation"], "가람 주식회사")

    def test_that_waits_for_a_parent_stays_under_the_new_number_as_it_was_written(
        self, world: World, rep: Person, phone: Phone
    ) -> None:
        account = world.account()
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="김")
        phone.pull("contact")
        row = phone.edited(contact, account_id=str(new_id()))
        assert phone.push("contact", row) == []
        world.log_in(rep)
        anew = phone.page("contact")

        assert phone.push("contact", row) == [row["newDocumentState"] | {"generation": anew["generation"]}]
        assert world.sql("SELECT account_id FROM contacts") == [(account,)]

    def test_of_a_refused_field_gives_the_record_back(self, world: World, phone: Phone) -> None:
        account = world.account(name="가람상사")
        phone.pull("account")

        (master,) = phone.push("account", phone.edited(account, name=""))

        assert master == phone.held[str(account)]

    def test_of_a_refused_create_takes_the_document_away(self, world: World, phone: Phone) -> None:
        record_id = new_id()

        assert phone.push("account", phone.created(record_id)) == [{"id": str(record_id), "_deleted": True}]

    def test_under_an_id_that_no_record_can_have_takes_the_document_away(self, phone: Phone) -> None:
        row = {"newDocumentState": {"id": "1", "name": "가게"}}

        assert phone.push("account", row) == [{"id": "1", "_deleted": True}]

    def test_of_a_new_record_makes_it(self, world: World, phone: Phone) -> None:
        record_id = new_id()

        answer = phone.push(
            "account", phone.created(record_id, name="새 가게", territory_id=str(world.north))
        )

        assert answer == []
        assert [one["id"] for one in phone.pull("account")] == [str(record_id)]

    def test_of_a_new_record_that_was_edited_after_a_lost_answer_empties_what_its_user_emptied(
        self, world: World, phone: Phone
    ) -> None:
        record_id = new_id()
        made = {"name": "새 가게", "phone": "+8225550100", "territory_id": str(world.north)}
        phone.push("account", phone.created(record_id, **made))
        world.sql("UPDATE accounts SET website = 'https://new.example' WHERE id = :id", id=record_id)

        phone.push("account", phone.created(record_id, **made | {"phone": None, "name": "새 이름"}))

        assert world.sql("SELECT name, phone, website FROM accounts") == [
            ("새 이름", None, "https://new.example")
        ]

    def test_of_what_stands_in_the_inbox_gives_the_record_that_stays(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account(legal_name="가람상사 주식회사")
        phone.pull("account")
        world.sql("UPDATE accounts SET legal_name = '가람물산 주식회사' WHERE id = :id", id=account)

        (master,) = phone.push("account", phone.edited(account, legal_name="가람유통 주식회사"))

        assert master["legal_name"] == "가람물산 주식회사"
        assert world.sql("SELECT field FROM conflicts") == [("legal_name",)]


class TestABody:
    @pytest.mark.parametrize("what", sorted(REFUSED.keys() - {"a list", "an empty list"}))
    def test_that_is_no_decent_json_is_refused(self, world: World, rep: Person, what: str) -> None:
        raw, code = REFUSED[what]

        answer = post(rep, raw)

        # An object, and what only looks like one, is no list; the rest is told as everywhere.
        codes = {code, "body_not_list", "json_invalid", "json_too_deep"}
        assert answer.json["code"] in codes
        assert answer.status_code == (413 if code == "body_too_large" else 400)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ([7], "type_mismatch"),
            ([{"newDocumentState": 7}], "type_mismatch"),
            ([{"newDocumentState": {"name": "가게"}}], "type_mismatch"),
            ([{"newDocumentState": {"id": "a"}, "assumedMasterState": {"id": "b"}}], "type_mismatch"),
            ([{"newDocumentState": {"id": "a"}, "master": None}], "unknown_field"),
            ([{"newDocumentState": {"id": "a"}}] * 501, "too_many_mutations"),
            ([{"newDocumentState": {"id": "0190d3a1-7c1e-7d30-8f00-1b0e5d2f4a11"}}] * 2, "duplicate_item"),
        ],
    )
    def test_of_rows_that_no_client_sends_is_refused(self, rep: Person, body: Any, code: str) -> None:
        answer = rep.call("POST", f"{BASE}/account/push", body)

        assert (answer.status_code, answer.json["code"]) == (400, code)

    def test_that_closes_the_list_and_goes_on_is_refused(self, rep: Person) -> None:
        assert post(rep, b'[], "x": []').json["code"] == "body_not_list"

    @pytest.mark.parametrize("text", ["7", "[]", "{", '{"c": 7}', '{"d": "x"}', '"x"'])
    def test_with_a_checkpoint_that_no_server_gave_is_refused(self, rep: Person, text: str) -> None:
        client = rep.world.app.test_client()

        answer = client.get(f"{BASE}/account/pull", query_string={"checkpoint": text}, headers=rep.headers)

        assert (answer.status_code, answer.json["code"]) == (400, "checkpoint_invalid")


def post(rep: Person, raw: bytes) -> Any:
    return rep.world.app.test_client().post(
        f"{BASE}/account/push", data=raw, headers={"Content-Type": "application/json", **rep.headers}
    )


class TestADelete:
    def test_of_what_the_phone_sees_is_done(self, world: World) -> None:
        account = world.account()
        phone = Phone(world.person("manager", world.north))
        phone.pull("account")

        assert phone.push("account", phone.edited(account, _deleted=True)) == []
        assert name_of(world, account, "deleted_at") is not None

    def test_of_what_left_the_scope_means_nothing(self, world: World, phone: Phone) -> None:
        account = world.account()
        phone.pull("account")
        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)

        assert phone.push("account", phone.edited(account, _deleted=True)) == []
        assert name_of(world, account, "deleted_at") is None
        assert world.sql("SELECT count(*) FROM conflicts")[0][0] == 0

    def test_of_what_others_edited_since_waits_in_the_inbox_and_the_record_comes_back(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account(name="가람상사")
        phone.pull("account")
        world.sql("UPDATE accounts SET name = '가람물산' WHERE id = :id", id=account)

        (master,) = phone.push("account", phone.edited(account, _deleted=True))

        assert (master["name"], master["_deleted"]) == ("가람물산", False)
        assert world.sql("SELECT kind FROM conflicts") == [("delete",)]

    def test_by_another_takes_an_edited_document_away_and_keeps_the_edit(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account()
        phone.pull("account")
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)

        answer = phone.push("account", phone.edited(account, name="고침"))

        assert answer == [{"id": str(account), "_deleted": True}]
        assert world.sql("SELECT kind FROM conflicts") == [("deleted",)]

    def test_of_a_document_that_the_server_dropped_for_lack_of_scope_is_kept_as_work_lost(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account()
        phone.pull("account")
        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)

        answer = phone.push("account", phone.edited(account, name="고침"))

        assert answer == [{"id": str(account), "_deleted": True}]
        assert world.sql("SELECT kind FROM conflicts") == [("out_of_scope",)]


class TestAChildThatComesFirst:
    def test_waits_for_its_parent_and_is_judged_with_it(self, world: World, phone: Phone) -> None:
        parent, child = new_id(), new_id()

        assert phone.push("contact", phone.created(child, name="김", account_id=str(parent))) == []
        assert world.sql("SELECT count(*) FROM contacts")[0][0] == 0
        assert phone.push("account", phone.created(parent, name="가게", territory_id=str(world.north))) == []

        assert world.sql("SELECT id, account_id FROM contacts") == [(child, parent)]
        assert world.sql("SELECT count(*) FROM rxdb_held")[0][0] == 0
        assert world.sql("SELECT count(*) FROM sync_mutations WHERE status = 'rejected'")[0][0] == 0

    def test_that_was_edited_meanwhile_is_judged_as_it_is_by_then(self, world: World, phone: Phone) -> None:
        parent, child = new_id(), new_id()
        first = phone.created(child, name="김", account_id=str(parent))
        phone.push("contact", first)
        later = first["newDocumentState"] | {"name": "김철수"}
        phone.push("contact", {"newDocumentState": later, "assumedMasterState": first["newDocumentState"]})

        phone.push("account", phone.created(parent, name="가게", territory_id=str(world.north)))

        assert world.sql("SELECT name FROM contacts") == [("김철수",)]

    def test_and_is_edited_while_its_parent_comes_keeps_the_edit(
        self, world: World, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Collections are pushed side by side: the edit comes after the child was read, before it is let go."""
        parent, child = new_id(), new_id()
        first = phone.created(child, name="김", account_id=str(parent))
        phone.push("contact", first)
        let_go = RowPushing._let_go

        def meanwhile(self: RowPushing, who: Identity, judged: Any) -> None:
            monkeypatch.setattr(RowPushing, "_let_go", let_go)
            newer = Row(child, first["newDocumentState"] | {"name": "김철수"}, None)
            self._hold(who, "contact", [newer])
            let_go(self, who, judged)

        monkeypatch.setattr(RowPushing, "_let_go", meanwhile)
        phone.push("account", phone.created(parent, name="가게", territory_id=str(world.north)))
        rows_of(world).pass_on(world.id, utc_now())

        assert world.sql("SELECT name FROM contacts") == [("김철수",)]
        assert world.sql("SELECT count(*) FROM rxdb_held")[0][0] == 0

    def test_and_was_deleted_meanwhile_never_was(self, world: World, phone: Phone) -> None:
        parent, child = new_id(), new_id()
        first = phone.created(child, name="김", account_id=str(parent))["newDocumentState"]
        phone.push("contact", {"newDocumentState": first})
        phone.push("contact", {"newDocumentState": first | {"_deleted": True}, "assumedMasterState": first})

        phone.push("account", phone.created(parent, name="가게", territory_id=str(world.north)))

        assert world.sql("SELECT count(*) FROM contacts")[0][0] == 0

    def test_and_is_deleted_while_its_parent_comes_is_deleted(
        self, world: World, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The delete comes after the child was read, before it is made."""
        parent, child = new_id(), new_id()
        first = phone.created(child, name="김", account_id=str(parent))["newDocumentState"]
        phone.push("contact", {"newDocumentState": first})
        judge = RowPushing._judge

        def meanwhile(self: RowPushing, *args: Any) -> None:
            if args[2][0].entity == "contact":
                monkeypatch.setattr(RowPushing, "_judge", judge)
                gone = {"newDocumentState": first | {"_deleted": True}, "assumedMasterState": first}
                assert phone.push("contact", gone) == []
            judge(self, *args)

        monkeypatch.setattr(RowPushing, "_judge", meanwhile)
        phone.push("account", phone.created(parent, name="가게", territory_id=str(world.north)))

        assert world.sql("SELECT deleted_at IS NOT NULL FROM contacts") == [(True,)]
        assert world.sql("SELECT count(*) FROM conflicts")[0][0] == 0

    def test_and_was_deleted_is_forgotten_in_time(self, world: World, phone: Phone) -> None:
        child = new_id()
        first = phone.created(child, name="김", account_id=str(new_id()))["newDocumentState"]
        phone.push("contact", {"newDocumentState": first})
        phone.push("contact", {"newDocumentState": first | {"_deleted": True}, "assumedMasterState": first})

        rows_of(world, utc_now() + timedelta(minutes=2)).pass_on(world.id, utc_now() + timedelta(minutes=2))

        assert world.sql("SELECT count(*) FROM rxdb_held")[0][0] == 0
        assert world.sql("SELECT count(*) FROM conflicts")[0][0] == 0

    def test_is_judged_as_work_of_the_device_that_sent_it(self, world: World, phone: Phone) -> None:
        parent, child = new_id(), new_id()
        phone.push("contact", phone.created(child, name="김", account_id=str(parent)))
        other = Phone(world.second_phone(phone.person))

        other.push("account", other.created(parent, name="가게", territory_id=str(world.north)))

        sql = "SELECT DISTINCT device_id FROM {} WHERE record_id = :id"
        for table in ("sync_mutations", "changes"):
            assert world.sql(sql.format(table), id=child) == [(phone.person.device_id,)]

    def test_of_somebody_elses_parent_is_answered_as_of_an_unknown_one(
        self, world: World, phone: Phone
    ) -> None:
        foreign = world.account(world.south)
        known, unknown = new_id(), new_id()

        answers = [
            phone.push("contact", phone.created(record_id, name="김", account_id=str(parent)))
            for record_id, parent in ((known, foreign), (unknown, new_id()))
        ]

        assert answers == [[], []]
        assert world.sql("SELECT count(*) FROM rxdb_held")[0][0] == 2

    def test_is_judged_when_somebody_else_makes_the_parent(self, world: World, phone: Phone) -> None:
        parent, child = new_id(), new_id()
        phone.push("contact", phone.created(child, name="김", account_id=str(parent)))
        world.insert("accounts", id=parent, name="가게", territory_id=world.north)

        assert rows_of(world).pass_on(world.id, utc_now()) == 1

        assert world.sql("SELECT id FROM contacts") == [(child,)]

    def test_goes_to_the_inbox_after_a_day(self, world: World, phone: Phone) -> None:
        child = new_id()
        phone.push("contact", phone.created(child, name="김", account_id=str(new_id())))

        assert rows_of(world).pass_on(world.id, utc_now() + timedelta(hours=23)) == 0
        assert rows_of(world).pass_on(world.id, utc_now() + timedelta(hours=25)) == 1

        ((entity, record_id, mine),) = world.sql("SELECT entity, record_id, mine FROM conflicts")
        assert (entity, record_id, mine["fields"]["name"]) == ("contact", child, "김")
        assert world.sql("SELECT count(*) FROM rxdb_held")[0][0] == 0

    def test_of_somebody_who_was_dismissed_meanwhile_goes_to_the_inbox_too(
        self, world: World, phone: Phone
    ) -> None:
        parent, child = new_id(), new_id()
        phone.push("contact", phone.created(child, name="김", account_id=str(parent)))
        world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=phone.person.id)
        world.insert("accounts", id=parent, name="가게", territory_id=world.north)

        assert rows_of(world).pass_on(world.id, utc_now()) == 0
        assert rows_of(world).pass_on(world.id, utc_now() + timedelta(hours=25)) == 1

        assert world.sql("SELECT kind, record_id FROM conflicts") == [("quarantined", child)]
        assert world.sql("SELECT count(*) FROM contacts")[0][0] == 0


def rows_of(world: World, now: datetime | None = None) -> RowPushing:
    return RowPushing(world.db, REGISTRY, BY_NAME, lambda: now or utc_now())


class TestRetention:
    def test_of_a_device_that_has_not_come_for_half_a_year_nothing_is_kept_and_it_goes_on_counting(
        self, world: World, phone: Phone
    ) -> None:
        account = world.account()
        other = Phone(world.second_phone(phone.person))
        for one, number in ((phone, "+8225550101"), (other, "+8225550102")):
            one.pull("account")
            one.push("account", one.edited(account, phone=number))
        for table, column in (("devices", "pushed_at"), ("pulls", "seen_at")):
            world.engine_sql(
                f"UPDATE rxdb_{table} SET {column} = {column} - interval '181 days' WHERE device_id = :device",
                device=phone.person.device_id,
            )
        forget_the_past(world.db, world.id, utc_now())

        for table in ("devices", "pulls"):
            kept = world.sql(f"SELECT device_id FROM rxdb_{table} WHERE tenant_id = :tenant")
            assert [row[0] for row in kept] == [other.person.device_id], table
        phone.pull("account")
        phone.push("account", phone.edited(account, name="새 이름"))
        numbers = "SELECT n FROM sync_mutations WHERE device_id = :device ORDER BY judged_at"
        assert world.sql(numbers, device=phone.person.device_id) == [(1,), (2,)]
