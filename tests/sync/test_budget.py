"""Budget: over the cap whole buckets of the lowest priority are left out, and named."""

from typing import Any
from uuid import UUID

import pytest

from sync.budget import left_out
from tests.world import Person, World


class TestLeftOut:
    def test_is_nothing_within_the_cap(self) -> None:
        assert left_out(["tenant", "territory:a"], {"tenant": 5, "territory:a": 95}, 100, ()) == set()

    def test_are_the_last_buckets_until_the_rest_fits(self) -> None:
        sizes = {"territory:a": 60, "territory:b": 60, "territory:c": 1}

        assert left_out(list(sizes), sizes, 100, ()) == {"territory:b", "territory:c"}

    def test_is_never_what_a_phone_cannot_work_without(self) -> None:
        sizes = {"tenant": 50, "audience:rep": 50, "user:a": 50, "unit:a": 9, "territory:a": 1}

        assert left_out(list(sizes), sizes, 100, ()) == {"territory:a"}

    def test_comes_back_only_well_below_the_cap(self) -> None:
        buckets, before = ["territory:a", "territory:b"], {"territory:b"}

        assert left_out(buckets, {"territory:a": 50, "territory:b": 41}, 100, before) == before
        assert left_out(buckets, {"territory:a": 50, "territory:b": 40}, 100, before) == set()

    def test_does_not_flap_when_a_record_comes_and_goes(self) -> None:
        out: set[str] = set()
        seen = []
        for size in (50, 51, 50, 51, 50):
            out = left_out(["territory:a", "territory:b"], {"territory:a": 50, "territory:b": size}, 100, out)
            seen.append(bool(out))

        assert seen == [False, True, True, True, True]

    def test_forgets_buckets_that_are_no_longer_the_users(self) -> None:
        assert left_out(["territory:a"], {"territory:a": 1}, 100, {"territory:b"}) == set()


@pytest.fixture
def rep(world: World) -> Person:
    for _ in range(4):
        world.account()
    for _ in range(3):
        world.account(world.south)
    return world.person("rep", world.north, world.south)


def cap(world: World, records: int, warn: int | None = None) -> None:
    world.sql(
        "INSERT INTO sync_settings (tenant_id, records_warn, records_cap) VALUES (:tenant, :warn, :cap)"
        " ON CONFLICT (tenant_id) DO UPDATE SET records_warn = :warn, records_cap = :cap",
        cap=records,
        warn=warn or records,
    )


def pulled(person: Person, limit: int = 100) -> list[dict[str, Any]]:
    answers = []
    for _ in range(100):
        answers.append(person.post_sync(limit=limit).json)
        person.take(answers[-1])
        if not answers[-1]["has_more"]:
            return answers
    raise AssertionError("no checkpoint")


def territories(person: Person) -> set[UUID]:
    return {UUID(r["territory_id"]) for (entity, _), r in person.records.items() if entity == "account"}


def exact(world: World) -> bool:
    """Whether the sizes are those of the feed."""
    rows = world.engine_sql(
        "SELECT 1 FROM (SELECT bucket, shape, count(*)::int AS records FROM sync_feed"
        " WHERE tenant_id = :tenant AND gone IS NULL GROUP BY bucket, shape) f"
        " FULL JOIN (SELECT bucket, shape, records FROM sync_channel_sizes"
        " WHERE tenant_id = :tenant AND records <> 0) z USING (bucket, shape)"
        " WHERE f.records IS DISTINCT FROM z.records"
    )
    return rows == []


class TestSizes:
    def test_are_those_of_the_feed_whatever_happens(self, world: World, rep: Person) -> None:
        account = world.account()
        rep.sync()
        assert exact(world)
        world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=account)
        world.drain()
        assert exact(world)
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)
        world.drain()
        assert exact(world)
        world.sql("UPDATE accounts SET deleted_at = NULL WHERE id = :id", id=account)
        world.drain()
        assert exact(world)

    def test_follow_a_record_that_is_withdrawn_because_it_cannot_be_rendered(self, world: World) -> None:
        account = world.account()
        world.drain()
        world.sql(
            "UPDATE accounts SET territory_id = :s, last_visited_at = 'infinity' WHERE id = :id",
            s=world.south,
            id=account,
        )
        world.drain()

        assert exact(world)

    def test_can_be_counted_anew(self, world: World, rep: Person) -> None:
        world.drain()
        world.engine_sql("UPDATE sync_channel_sizes SET records = 77 WHERE tenant_id = :tenant")

        world.engine_sql("SELECT sync_count_channels()")

        assert exact(world)


class TestThePhone:
    def test_is_told_how_much_it_is_given(self, world: World, rep: Person) -> None:
        (answer,) = pulled(rep)

        assert answer["budget"] == {
            "records": len(answer["changes"]) + 1,  # oneself, by the own bucket and by the unit's
            "warn_at": 8_000,
            "cap": 20_000,
            "left_out": [],
        }

    def test_is_not_given_what_goes_over_the_cap_and_told_its_name(self, world: World, rep: Person) -> None:
        everything = len(pulled(world.second_phone(rep))[0]["changes"])
        cap(world, everything, warn=5)

        (answer,) = pulled(rep)

        last = max(world.north, world.south, key=str)
        assert answer["budget"]["left_out"] == [f"territory:{last}"]
        assert answer["budget"]["records"] == len(answer["changes"]) + 1 <= everything
        assert answer["budget"]["warn_at"] == 5
        assert territories(rep) == {world.north, world.south} - {last}

    @pytest.mark.parametrize("limit", [2, 100])
    def test_forgets_with_reason_window_what_is_left_out_now(
        self, world: World, rep: Person, limit: int
    ) -> None:
        pulled(rep)
        last = max(world.north, world.south, key=str)
        held = [(k[1], r["territory_id"]) for k, r in rep.records.items() if k[0] == "account"]
        leaving = {record_id for record_id, territory in held if territory == str(last)}
        cap(world, len(rep.records) - 1)

        answers = pulled(rep, limit)

        told = {r["id"]: r["reason"] for a in answers for r in a["removed"]}
        assert leaving <= set(told)
        assert set(told.values()) == {"window"}
        assert territories(rep) == {world.north, world.south} - {last}
        other = world.second_phone(rep)
        pulled(other)
        assert other.records == rep.records

    def test_gets_it_back_when_the_cap_is_raised(self, world: World, rep: Person) -> None:
        pulled(rep)
        before = dict(rep.records)
        cap(world, len(rep.records) - 1)
        pulled(rep)

        cap(world, 20_000)
        pulled(rep, 3)

        assert rep.records == before
        assert world.engine_sql("SELECT 1 FROM sync_left_out WHERE tenant_id = :tenant") == []

    def test_can_still_be_edited_what_the_cap_left_out(self, world: World, rep: Person) -> None:
        """The cap limits what a phone holds, not what its user may change."""
        pulled(rep)
        last = max(world.north, world.south, key=str)
        account = next(k[1] for k, r in rep.records.items() if r.get("territory_id") == str(last))
        edit = rep.edit("account", account, {"name": "고침"})
        cap(world, len(rep.records) - 1)
        pulled(rep)

        (verdict,) = rep.post_sync(mutations=[edit]).json["verdicts"]

        assert verdict["status"] == "applied"
