"""The server keeps which channels each user's devices were given, and up to which position."""

from tests.world import Person, World

SALES = "manager+partner+sales"


def given(world: World, person: Person) -> dict[str, int]:
    rows = world.engine_sql(
        "SELECT bucket, position FROM sync_given WHERE tenant_id = :tenant AND user_id = :u AND shape = :s",
        u=person.id,
        s=SALES,
    )
    return {row[0]: row[1] for row in rows}


def row(world: World, account: object) -> int:
    rows = world.engine_sql(
        "SELECT position FROM sync_feed WHERE record_id = :id AND shape = :s AND gone IS NULL",
        id=account,
        s=SALES,
    )
    return int(rows[0][0])


class TestGiven:
    def test_is_the_highest_row_of_a_bucket_that_left(self, world: World) -> None:
        rep = world.person("rep", world.north, world.south)
        accounts = [world.account() for _ in range(3)]

        rep.sync()

        assert given(world, rep) == {f"territory:{world.north}": max(row(world, a) for a in accounts)}

    def test_is_kept_page_by_page(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(3):
            world.account()
        highest = 0
        for _ in range(10):
            answer = rep.post_sync(limit=1).json
            rep.take(answer)
            shown = [row(world, c["id"]) for c in answer["changes"] if c["entity"] == "account"]
            highest = max([highest, *shown])
            assert given(world, rep).get(f"territory:{world.north}", 0) == highest
        assert highest

    def test_is_not_what_was_only_subscribed_to(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()

        assert f"territory:{world.north}" not in given(world, rep)

    def test_is_one_for_all_devices_of_a_user_and_never_goes_back(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.account()
        account = world.account()
        rep.sync()
        before = given(world, rep)
        tablet = world.second_phone(rep)

        tablet.post_sync(limit=2)

        assert given(world, rep) == before == {f"territory:{world.north}": row(world, account)}

    def test_survives_the_loss_of_the_bucket(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.account()
        rep.sync()
        before = given(world, rep)
        world.sql("UPDATE territory_members SET deleted_at = now() WHERE user_id = :u", u=rep.id)

        rep.sync()

        assert given(world, rep) == before
