"""What a phone meets when the server's data or its sequencer is in trouble, or its user's role changes."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs.windows import move_windows
from sync.sequencer import Drainer
from sync.stores.sequencer import FeedStore
from tests.world import Person, World


def planned_visit(world: World, account: UUID, assignee: Person) -> UUID:
    """A visit of now, by SQL."""
    visit = new_id()
    world.insert("visits", id=visit, account_id=account, assignee_id=assignee.id, planned_start=utc_now())
    return visit


class TestUnreadableRecord:
    def test_an_edit_of_it_waits_in_the_inbox_and_blocks_no_other(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account()
        visit = planned_visit(world, account, rep)
        rep.sync()
        world.sql(
            "UPDATE visits SET planned_end = 'infinity' WHERE tenant_id = :tenant AND id = :id", id=visit
        )

        verdicts = rep.sync(
            rep.edit("visit", visit, {"outcome": "수리 완료"}), rep.edit("account", account, {"tier": "A"})
        )

        assert [(v["status"], v["code"]) for v in verdicts] == [("conflict", "failed"), ("applied", None)]


class TestFailingDrain:
    def test_serves_what_was_sequenced_before(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        world.account()

        def fail(*_: Any) -> None:
            raise RuntimeError("planted")

        monkeypatch.setattr(FeedStore, "finish", fail)

        rep.sync()

        assert rep.held("account", account)


class TestRoleChange:
    def test_a_new_technician_gets_the_accounts_of_own_visits(self, world: World) -> None:
        person = world.person("rep")
        account = world.account()
        visit = planned_visit(world, account, person)
        person.sync()

        world.sql("UPDATE users SET role = 'technician' WHERE tenant_id = :tenant AND id = :id", id=person.id)
        person.sync()

        assert person.held("visit", visit)
        assert person.held("account", account)

    def test_a_former_technician_loses_them(self, world: World) -> None:
        person = world.person("technician")
        account = world.account()
        visit = planned_visit(world, account, person)
        person.sync()

        world.sql("UPDATE users SET role = 'rep' WHERE tenant_id = :tenant AND id = :id", id=person.id)
        person.sync()

        assert (person.held("visit", visit), person.held("account", account)) == (None, None)


class TestDecidedItem:
    def test_leaves_its_authors_phone_after_two_weeks(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account, item = world.account(), new_id()
        world.insert(
            "conflicts",
            id=item,
            kind="field",
            entity="account",
            record_id=account,
            account_id=account,
            record_version=1,
            author_id=rep.id,
            happened_at=utc_now(),
            mine='"x"',
            state="resolved",
            resolved_at=utc_now() - timedelta(days=13, hours=23),
        )
        rep.sync()
        assert rep.held("conflict", item)
        later: datetime = utc_now() + timedelta(days=2)

        move_windows(world.db, world.id, later)
        world.drain(later)
        rep.sync()

        assert rep.held("conflict", item) is None


class TestTriggerFunctions:
    def test_nobody_can_put_those_of_the_engine_on_a_table_of_their_own(self, world: World) -> None:
        open_to_all = world.engine_sql(
            "SELECT proname FROM pg_proc p WHERE prosecdef AND prorettype = 'trigger'::regtype"
            " AND has_function_privilege('public', p.oid, 'EXECUTE')"
        )

        assert open_to_all == []


class TestBusySequencer:
    def test_a_scope_that_no_drain_has_seen_is_no_checkpoint(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.account()
        rep = world.person("rep", world.north)
        monkeypatch.setattr(Drainer, "drain_if_due", lambda *_: None)

        answer = rep.post_sync().json

        assert (answer["changes"], answer["has_more"]) == ([], True)

    def test_leaves_the_cursor_of_a_phone_where_it_is_by_which_the_phone_knows_to_wait(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        with monkeypatch.context() as busy:
            busy.setattr(Drainer, "drain_if_due", lambda *_: None)
            first = rep.post_sync().json
            late = rep.post_sync(cursor=first["cursor"]).json

        assert (late["changes"], late["has_more"], late["cursor"]) == ([], True, first["cursor"])
        assert account in {UUID(one["id"]) for one in rep.post_sync(cursor=late["cursor"]).json["changes"]}
