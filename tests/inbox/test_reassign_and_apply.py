"""Items of the inbox given to somebody, and work that nobody judged done by a person."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.activity import service as activity
from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.pushing import Identity
from app.sync_api.routes import exchange
from app.sync_api.wire import sync_request
from sync.verdicts import Verdict
from tests.sync.pushing import Json, given, misbehave, push, row, told
from tests.world import Person, World, wire


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(legal_name="가람상사 주식회사", phone="+82255500001", tags=["겨울"])


def decide(person: Person, item: Json, choice: str, **args: Any) -> Any:
    """Over REST; the response."""
    body = {"choice": choice, "record_version": item["record_version"] or 0} | args
    return person.call(
        "POST",
        f"/api/v1/conflicts/{item['id']}/resolution",
        body,
        **{"If-Match": f'"{item["version"]}"'},
    )


def seen(person: Person, conflict_id: str) -> Json | None:
    person.sync()
    return person.held("conflict", conflict_id)


def shown(person: Person, conflict_id: str) -> Json:
    found = seen(person, conflict_id)
    assert found
    return found


def as_held(person: Person, item: Json) -> Json:
    """The item, decided on the version of the record that the person's own phone holds.

    The author's phone shares the bytes of the item, and may not know that version.
    """
    record = person.held(item["entity"], item["record_id"])
    assert record
    return item | {"record_version": record["version"]}


class TestReassign:
    @pytest.fixture
    def item(self, world: World, rep: Person, manager: Person, account: UUID) -> Json:
        """The rep's edit of a customer that went to the south."""
        rep.sync()
        given(world, rep)
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )
        verdict = push(rep, rep.mutation("update", "account", account, base_version=1, fields={"tier": "A"}))
        assert told(verdict) == ("conflict", "out_of_scope")
        return shown(manager, verdict["conflict_id"])

    @pytest.fixture
    def heir(self, world: World) -> Person:
        """The rep who has the customer now."""
        person = world.person("rep", world.south)
        person.sync()
        return person

    def test_gives_the_item_to_somebody_who_applies_it_with_their_own_rights(
        self, world: World, manager: Person, heir: Person, account: UUID, item: Json
    ) -> None:
        assert seen(heir, item["id"]) is None

        response = decide(manager, item, "reassign", to_user_id=str(heir.id))
        assert (response.status_code, response.json["state"]) == (200, "open")
        assert response.json["assignee_id"] == str(heir.id)

        held = shown(heir, item["id"])
        assert held["mine"] == {"tier": "A"}
        assert heir.call("GET", f"/api/v1/conflicts/{item['id']}").json["mine"] == {"tier": "A"}
        assert decide(heir, as_held(heir, held), "apply").status_code == 200
        assert row(world, "accounts", account)["tier"] == "A"
        (change,) = world.sql(
            "SELECT actor_id FROM changes WHERE tenant_id = :tenant AND record_id = :id AND new ? 'tier'"
            " AND op = 'update'",
            id=account,
        )
        assert change == (heir.id,)

    def test_is_pushed_by_phones_too(self, manager: Person, heir: Person, item: Json) -> None:
        fields = {"choice": "reassign", "to_user_id": str(heir.id)}

        verdict = push(
            manager,
            manager.mutation("resolve", "conflict", item["id"], base_version=item["version"], fields=fields),
        )

        assert verdict["status"] == "applied"
        assert seen(heir, item["id"])

    def test_leaves_it_with_the_manager_too(self, manager: Person, heir: Person, item: Json) -> None:
        decide(manager, item, "reassign", to_user_id=str(heir.id))

        assert decide(manager, shown(manager, item["id"]), "discard", reason="끝").status_code == 200

    def test_is_not_for_authors_nor_for_whom_it_was_given_to(
        self, world: World, rep: Person, manager: Person, heir: Person, item: Json
    ) -> None:
        other = {"to_user_id": str(world.person("rep", world.south).id)}
        assert decide(rep, item, "reassign", **other).json["code"] == "forbidden"
        decide(manager, item, "reassign", to_user_id=str(heir.id))

        assert decide(heir, shown(heir, item["id"]), "reassign", **other).json["code"] == "forbidden"

    def test_to_somebody_without_the_rights_changes_nothing_when_they_apply_it(
        self, world: World, manager: Person, account: UUID, item: Json
    ) -> None:
        stranger = world.person("rep", world.north)
        decide(manager, item, "reassign", to_user_id=str(stranger.id))

        response = decide(stranger, shown(stranger, item["id"]) | {"record_version": 2}, "apply")

        assert response.json["code"] == "not_found"
        assert row(world, "accounts", account)["tier"] is None
        assert shown(manager, item["id"])["state"] == "open"

    @pytest.mark.parametrize("who", ["nobody", "disabled", "integration", "of another company"])
    def test_to_whom_cannot_take_it_is_refused(
        self, world: World, manager: Person, item: Json, who: str, served: Any, pools: Any
    ) -> None:
        if who == "nobody":
            target = uuid4()
        elif who == "of another company":
            target = World(served, pools).person("rep").id
        else:
            target = world.person("rep").id
            change = {"disabled": "status = 'disabled'", "integration": "role = 'integration'"}[who]
            world.sql(f"UPDATE users SET {change} WHERE tenant_id = :tenant AND id = :id", id=target)

        response = decide(manager, item, "reassign", to_user_id=str(target))

        assert (response.status_code, response.json["code"]) == (422, "reassign_not_possible")

    def test_to_whose_phones_do_not_show_such_a_field_is_refused(
        self, world: World, rep: Person, manager: Person, account: UUID
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"payment_terms": "현금"})
        world.sql(
            "UPDATE accounts SET payment_terms = '30일' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        item = shown(manager, push(rep, edit)["conflict_id"])
        technician = world.person("technician", world.north)

        response = decide(manager, item, "reassign", to_user_id=str(technician.id))

        assert response.json["code"] == "reassign_not_possible"

    def test_names_a_person(self, manager: Person, item: Json) -> None:
        response = decide(manager, item, "reassign")

        assert response.status_code == 422
        (error,) = response.json["errors"]
        assert (error["pointer"], error["code"]) == ("/to_user_id", "required")

    def test_does_not_disturb_the_history_of_the_customer(
        self, manager: Person, heir: Person, account: UUID, item: Json
    ) -> None:
        decide(manager, item, "reassign", to_user_id=str(heir.id))
        decide(heir, as_held(heir, shown(heir, item["id"])), "apply")

        page = manager.call("GET", f"/api/v1/accounts/{account}/history").json

        assert [f["field"] for f in page["items"][0]["fields"]] == ["tier"]


class TestAFaultOfTheServer:
    def test_that_was_mended_is_applied_by_a_person(
        self, world: World, rep: Person, manager: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rep.sync()
        fields = {"account_id": str(account), "name": "뷔람담"}
        create = rep.mutation("create", "contact", new_id(), fields=fields)
        with monkeypatch.context() as patch:
            misbehave(patch, "contact", create=_raise)
            verdict = push(rep, create)

        assert decide(manager, shown(manager, verdict["conflict_id"]), "apply").status_code == 200
        assert row(world, "contacts", create["record_id"])["name"] == "뷔람담"

    def test_that_is_still_there_leaves_the_item_open_and_nothing_done(
        self, world: World, rep: Person, manager: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def halfway(session: Any, actor: Any, values: Any, **_: Any) -> None:
            activity.create_task(session, actor, values, now=utc_now())
            raise RuntimeError

        misbehave(monkeypatch, "task", create=halfway)
        verdict = push(rep, rep.mutation("create", "task", new_id(), fields={"title": "견적"}))
        item = shown(manager, verdict["conflict_id"])

        assert decide(manager, item, "apply").json["code"] == "failed"
        assert world.sql("SELECT 1 FROM tasks WHERE tenant_id = :tenant") == []
        assert shown(manager, verdict["conflict_id"])["state"] == "open"

    def test_keeps_what_others_added_to_a_set_meanwhile(
        self, world: World, rep: Person, manager: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rep.sync()
        with monkeypatch.context() as patch:
            misbehave(patch, "account", update=_raise)
            verdict = push(rep, rep.edit("account", account, {"tags": ["겨울", "신규"]}))
        world.sql(
            "UPDATE accounts SET tags = '{겨울,여름}' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert decide(manager, shown(manager, verdict["conflict_id"]), "apply").status_code == 200
        assert sorted(row(world, "accounts", account)["tags"]) == ["겨울", "신규", "여름"]


def _raise(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug in a service")


class TestAFrozenRecord:
    def test_takes_no_edit_from_the_inbox_while_it_is_frozen(
        self, world: World, rep: Person, manager: Person, account: UUID
    ) -> None:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()
        edit = rep.edit("visit", visit, {"outcome": "점검"})
        world.sql("UPDATE visits SET status = 'cancelled' WHERE tenant_id = :tenant AND id = :id", id=visit)
        verdict = push(rep, edit)
        assert told(verdict) == ("conflict", "record_frozen")
        item = shown(manager, verdict["conflict_id"])

        refused = decide(manager, item, "apply")
        assert refused.status_code in (409, 422)
        assert shown(manager, item["id"])["state"] == "open"

        assert decide(manager, shown(manager, item["id"]), "discard", reason="취소됨").status_code == 200


class TestQuarantine:
    """Work of a locked-out phone: kept and answered, judged by nobody but a person."""

    @pytest.fixture
    def aside(self, world: World, rep: Person) -> Callable[..., list[Verdict]]:
        """Set mutations of the rep aside, who was dismissed."""
        rep.sync()
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=rep.id)

        def set_aside(*mutations: Json) -> list[Verdict]:
            body = {"schema_version": 1, "sent_at": wire(utc_now()), "mutations": list(mutations)}
            with world.app.app_context():
                pushing = exchange().pushing
            who = Identity(world.id, rep.id, rep.device_id)
            return pushing.quarantine(who, sync_request(body, 1)).verdicts

        return set_aside

    def test_keeps_each_mutation_for_a_decision(
        self, world: World, rep: Person, manager: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        edit = rep.edit("account", account, {"tier": "A"})

        (verdict,) = aside(edit)

        assert (verdict.status, verdict.code, verdict.record_id) == ("conflict", "quarantined", None)
        assert row(world, "accounts", account)["tier"] is None
        item = shown(manager, str(verdict.conflict_id))
        assert (item["kind"], item["author_id"], item["mutation_id"]) == (
            "quarantined",
            str(rep.id),
            edit["id"],
        )
        assert (item["mine"]["op"], item["mine"]["fields"]) == ("update", {"tier": "A"})
        assert (item["base"], item["theirs"]) == (None, None)

    def test_answers_a_second_time_as_the_first(
        self, world: World, rep: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        edit = rep.edit("account", account, {"tier": "A"})
        (first,) = aside(edit)

        (again,) = aside(edit)

        assert (again.status, again.code, again.conflict_id) == ("conflict", "quarantined", first.conflict_id)
        assert again.replayed
        assert world.sql("SELECT count(*) FROM conflicts WHERE tenant_id = :tenant") == [(1,)]

    def test_replays_what_was_judged_before_the_phone_was_locked_out(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"tier": "A"})
        push(rep, edit)
        with world.app.app_context():
            pushing = exchange().pushing
        body = {"schema_version": 1, "sent_at": wire(utc_now()), "mutations": [edit]}

        (verdict,) = pushing.quarantine(
            Identity(world.id, rep.id, rep.device_id), sync_request(body, 1)
        ).verdicts

        assert (verdict.status, verdict.replayed) == ("applied", True)

    def test_takes_what_is_unsound_as_well(
        self, world: World, rep: Person, aside: Callable[..., list[Verdict]]
    ) -> None:
        odd = {"id": str(new_id()), "n": 1, "entity": 7, "op": "x" * 99, "fields": "a\x00", "group": 7}

        (verdict,) = aside(odd)

        assert verdict.code == "quarantined"
        admin = world.person("admin")
        item = shown(admin, str(verdict.conflict_id))
        assert decide(admin, item, "apply").json["code"] == "unknown_entity"
        assert decide(admin, item, "discard").status_code == 200

    def test_shows_the_work_to_the_managers_of_the_person_and_to_administrators_only(
        self, world: World, rep: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        above, chief = world.person("manager", world.south), world.person("manager", world.south)
        stranger, colleague = world.person("manager", world.region), world.person("rep", world.north)
        admin = world.person("admin")
        world.sql(
            "UPDATE users SET org_unit_id = NULL WHERE tenant_id = :tenant AND id = ANY(:ids)",
            ids=[rep.id, above.id, chief.id, stranger.id],
        )
        for who, leader in ((rep, above), (above, chief)):
            world.sql(
                "UPDATE users SET manager_id = :leader WHERE tenant_id = :tenant AND id = :id",
                id=who.id,
                leader=leader.id,
            )

        (verdict,) = aside(rep.edit("account", account, {"tier": "A"}))

        for person in (above, chief, admin):
            held = shown(person, str(verdict.conflict_id))
            assert person.call("GET", f"/api/v1/conflicts/{verdict.conflict_id}").json == held
        for person in (stranger, colleague):
            assert seen(person, str(verdict.conflict_id)) is None
            assert person.call("GET", f"/api/v1/conflicts/{verdict.conflict_id}").status_code == 404

    def test_follows_the_person_to_their_new_manager(
        self, world: World, rep: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        later = world.person("manager", world.south)
        world.sql(
            "UPDATE users SET org_unit_id = NULL WHERE tenant_id = :tenant AND id = ANY(:ids)",
            ids=[rep.id, later.id],
        )
        (verdict,) = aside(rep.edit("account", account, {"tier": "A"}))
        assert seen(later, str(verdict.conflict_id)) is None

        world.sql(
            "UPDATE users SET manager_id = :leader WHERE tenant_id = :tenant AND id = :id",
            id=rep.id,
            leader=later.id,
        )

        assert seen(later, str(verdict.conflict_id))

    def test_is_applied_with_the_rights_of_who_decides(
        self, world: World, rep: Person, manager: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        verdicts = aside(
            rep.edit("account", account, {"tier": "A"}),
            rep.mutation("create", "task", new_id(), fields={"title": "견적", "account_id": str(account)}),
        )

        for verdict in verdicts:
            response = decide(manager, shown(manager, str(verdict.conflict_id)), "apply")
            assert response.status_code == 200, response.json

        assert row(world, "accounts", account)["tier"] == "A"
        assert world.sql("SELECT title FROM tasks WHERE tenant_id = :tenant") == [("견적",)]

    def test_can_be_given_to_the_successor_who_applies_it(
        self, world: World, rep: Person, manager: Person, account: UUID, aside: Callable[..., list[Verdict]]
    ) -> None:
        heir = world.person("rep", world.north)
        (verdict,) = aside(rep.edit("account", account, {"tier": "A"}))
        decide(manager, shown(manager, str(verdict.conflict_id)), "reassign", to_user_id=str(heir.id))

        response = decide(heir, shown(heir, str(verdict.conflict_id)), "apply")

        assert response.status_code == 200, response.json
        assert row(world, "accounts", account)["tier"] == "A"

    def test_keeps_a_group_together(
        self, world: World, rep: Person, manager: Person, aside: Callable[..., list[Verdict]]
    ) -> None:
        group = str(uuid4())
        members = [
            rep.mutation("create", "task", new_id(), fields={"title": t}, group=group) for t in ("하나", "둘")
        ]

        verdicts = aside(*members)

        assert {v.code for v in verdicts} == {"quarantined"}
        assert len({v.conflict_id for v in verdicts}) == 1
        item = shown(manager, str(verdicts[0].conflict_id))
        assert decide(manager, item, "apply").status_code == 200
        assert world.sql("SELECT count(*) FROM tasks WHERE tenant_id = :tenant") == [(2,)]
        assert all(v.replayed for v in aside(*members))

    def test_masks_national_id_numbers(
        self, world: World, rep: Person, aside: Callable[..., list[Verdict]]
    ) -> None:
        aside(rep.mutation("create", "task", new_id(), fields={"title": "900101-1234567"}))

        for table in ("sync_mutations", "conflicts"):
            found = world.engine_sql(f"SELECT t::text FROM {table} t WHERE tenant_id = :tenant")
            assert not [line for line in found if "1234567" in line[0]], table
