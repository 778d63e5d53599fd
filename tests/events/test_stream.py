"""What a held connection tells a phone, over real sockets, from a real process."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import psycopg
import pytest
from sqlalchemy import text

from app.config import Config
from app.core.clock import utc_now
from app.core.scope import Role
from app.events.audience import MAX_STREAMS_PER_USER
from app.events.document import PATH
from app.http.auth import ALGORITHM, AUDIENCE, ISSUER, issue_access_token, issue_farewell_token, token_key
from app.http.services import services
from tests.events.streams import QUIET_S, Service
from tests.world import Person, World

SOON_S = 2.0


def short_token(world: World, person: Person, seconds: int) -> str:
    """A good token of a person that runs out soon."""
    config = services(world.app).config
    issued = utc_now() - timedelta(seconds=config.access_token_s - seconds)
    return issue_access_token(config, world.id, person.id, person.device_id, issued)


def odd_token(world: World, person: Person, *, typ: str = "at+jwt", key: bytes | None = None) -> str:
    """A token that is none of ours in one respect."""
    now = int(utc_now().timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(person.id),
        "tid": str(world.id),
        "did": str(person.device_id),
        "iat": now,
        "exp": now + 900,
    }
    key = key or token_key(services(world.app).config)
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": typ})


def changed(world: World, **values: Any) -> None:
    """Something in the north changes, and is sequenced."""
    world.account(world.north, **values)
    world.drain()


class TestPings:
    def test_fifty_phones_hear_of_a_change_in_their_territory_within_two_seconds(
        self, service: Service, world: World
    ) -> None:
        people = [world.person(Role.REP, world.north) for _ in range(50)]
        phones = [service.hold(person.token) for person in people]
        service.settle(*phones)

        changed(world)

        assert service.until(lambda: all(phone.pings for phone in phones)) < SOON_S

    def test_a_ping_tells_the_position_and_nothing_else(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.REP, world.north).token)
        service.settle(phone)

        changed(world, name="가나다상사")

        service.until(lambda: bool(phone.events))
        (head,) = world.sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")
        assert (phone.events, phone.pings) == (["changed"], [head[0]])

    def test_a_rep_of_another_territory_is_not_pinged(self, service: Service, world: World) -> None:
        here, there = world.person(Role.REP, world.north), world.person(Role.REP, world.south)
        world.drain()
        near, far = service.hold(here.token), service.hold(there.token)
        service.settle(near, far)

        changed(world)

        service.until(lambda: bool(near.pings))
        service.listen(QUIET_S)
        assert far.pings == []

    def test_a_manager_hears_of_the_territories_below(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.MANAGER, world.region).token)
        service.settle(phone)

        changed(world)

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    def test_another_company_is_not_pinged(self, service: Service, world: World) -> None:
        other = World(world.app, world.db)
        foreign = service.hold(other.person(Role.ADMIN, other.north, other.south).token)
        own = service.hold(world.person(Role.REP, world.north).token)
        service.settle(foreign, own)

        changed(world)

        service.until(lambda: bool(own.pings))
        service.listen(QUIET_S)
        assert foreign.pings == []

    def test_a_change_of_a_shape_that_the_role_does_not_see_pings_nobody_of_it(
        self, service: Service, world: World
    ) -> None:
        rep = world.person(Role.REP, world.north)
        world.drain()
        phone = service.hold(rep.token)
        service.settle(phone)
        world.engine_sql(
            "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body)"
            " VALUES (:tenant, :bucket, 'service', 'account', gen_random_uuid(), 10000, 10000, 1, '{}')",
            bucket=f"territory:{world.north}",
        )
        world.engine_sql("SELECT pg_notify('fieldmerge_sync', :payload)", payload=f"{world.id}:10000")

        service.listen(QUIET_S)
        assert phone.pings == []

    def test_something_that_left_is_told_too(self, service: Service, world: World) -> None:
        account = world.account(world.north)
        world.drain()
        phone = service.hold(world.person(Role.REP, world.north).token)
        service.settle(phone)

        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)
        world.drain()

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    def test_many_drains_in_a_row_are_few_pings(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.REP, world.north).token)

        for _ in range(20):
            changed(world)

        head = world.sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")[0][0]
        service.until(lambda: phone.pings[-1:] == [head])
        assert len(phone.pings) <= 12

    def test_nonsense_that_somebody_notifies_is_passed_over(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.REP, world.north).token)
        service.settle(phone)
        for payload in ("", ":", "nonsense", f"{world.id}", f"{uuid4()}:1", f"{world.id}:1:2"):
            world.sql(
                "SELECT pg_notify('fieldmerge_sync', :payload), pg_notify('fieldmerge_people', :payload)",
                payload=payload,
            )
        service.listen(QUIET_S)
        assert phone.pings == []

        changed(world)

        assert service.until(lambda: bool(phone.pings)) < SOON_S


class TestConnecting:
    def test_begins_with_the_time_to_come_back_after(self, service: Service, world: World) -> None:
        phone = service.open(world.person(Role.REP, world.north).token)
        service.until(lambda: bool(phone.pings))

        assert phone.status == 200
        assert "text/event-stream" in phone.head
        assert "X-Accel-Buffering: no" in phone.head
        assert "no-store" in phone.head

    def test_pings_at_once_because_the_phone_may_have_missed_something(
        self, service: Service, world: World
    ) -> None:
        phone = service.open(world.person(Role.REP, world.north).token)

        assert service.until(lambda: phone.events == ["changed"]) < SOON_S

    def test_does_not_ping_a_phone_that_was_told_all(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        changed(world)
        phone = service.open(rep.token)
        service.until(lambda: bool(phone.pings))
        told = phone.pings[-1]
        service.settle(phone)
        service.close(phone)
        world.account(world.south)
        world.drain()

        phone = service.open(rep.token, Last_Event_ID=str(told))
        service.until(lambda: phone.status == 200)
        service.listen(QUIET_S)
        assert phone.pings == []

    def test_pings_a_phone_that_missed_a_change_while_it_was_away(
        self, service: Service, world: World
    ) -> None:
        rep = world.person(Role.REP, world.north)
        world.drain()
        told = world.sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")[0][0]
        changed(world)

        phone = service.open(rep.token, Last_Event_ID=str(told))

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    @pytest.mark.parametrize("sent", ["-1", "x", "9" * 30, "１２", str(10**17)])
    def test_pings_a_phone_that_says_nonsense_of_what_it_knows(
        self, service: Service, world: World, sent: str
    ) -> None:
        phone = service.open(world.person(Role.REP, world.north).token, Last_Event_ID=ascii_of(sent))

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    def test_a_silent_connection_gets_a_heartbeat(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.REP, world.north).token)
        service.settle(phone)

        service.until(lambda: phone.comments >= 2, 6)
        assert phone.events == []

    def test_a_phone_that_hangs_up_is_forgotten_at_once(self, service: Service, world: World) -> None:
        phone = service.hold(world.person(Role.REP, world.north).token)
        assert service.streams == 1

        service.close(phone)

        assert service.until(lambda: service.streams == 0) < SOON_S

    def test_the_newest_stream_of_a_device_counts(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        old = service.hold(rep.token)
        service.settle(old)

        new = service.hold(rep.token)

        service.until(lambda: old.closed)
        assert old.events == ["replaced"]
        changed(world)
        assert service.until(lambda: bool(new.pings)) < SOON_S

    def test_a_person_with_too_many_devices_loses_the_oldest_stream(
        self, service: Service, world: World
    ) -> None:
        rep = world.person(Role.REP, world.north)
        phones = [service.hold(rep.token)]
        phones += [service.hold(world.second_phone(rep).token) for _ in range(MAX_STREAMS_PER_USER)]

        service.until(lambda: phones[0].closed)
        assert phones[0].events[-1] == "replaced"
        assert service.streams == MAX_STREAMS_PER_USER


def ascii_of(sent: str) -> str:
    return sent.encode().decode("latin-1").replace("\x92", "?").replace("\x91", "?")


class TestTokens:
    def test_without_a_token_it_is_a_problem(self, service: Service) -> None:
        status, headers, body = service.get(PATH)

        assert (status, headers["Content-Type"]) == (401, "application/problem+json")
        assert json.loads(body)["code"] == "unauthenticated"

    def test_bad_tokens_are_refused(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        bad = {
            "nonsense": "token_invalid",
            odd_token(world, rep, key=b"another key, thirty-two bytes long"): "token_invalid",
            odd_token(world, rep, typ="JWT"): "token_invalid",
            short_token(world, rep, -1): "token_expired",
        }
        for token, code in bad.items():
            status, headers, body = service.get(PATH, Authorization=f"Bearer {token}")

            assert (status, json.loads(body)["code"]) == (401, code)
            assert headers["Content-Type"] == "application/problem+json"

    def test_a_farewell_token_is_refused(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        farewell = issue_farewell_token(
            services(world.app).config, world.id, rep.id, rep.device_id, utc_now()
        )

        for token in (farewell, odd_token(world, rep, typ="farewell")):
            status, _, body = service.get(PATH, Authorization=f"Bearer {token}")
            assert (status, json.loads(body)["code"]) == (401, "token_invalid")

    def test_an_integration_has_no_stream(self, service: Service, world: World) -> None:
        robot = world.person(Role.INTEGRATION)
        without_device = issue_access_token(services(world.app).config, world.id, robot.id, None, utc_now())

        refusals = [
            json.loads(service.get(PATH, Authorization=f"Bearer {token}")[2])["code"]
            for token in (without_device, robot.token)
        ]

        assert refusals == ["device_required", "forbidden"]

    def test_a_device_that_was_locked_out_is_refused(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        world.sql("UPDATE devices SET revoked_at = now() WHERE id = :id", id=rep.device_id)

        assert service.get(PATH, Authorization=f"Bearer {rep.token}")[0] == 401

    def test_a_user_of_another_company_is_refused(self, service: Service, world: World) -> None:
        rep, other = world.person(Role.REP, world.north), World(world.app, world.db)
        token = issue_access_token(services(world.app).config, other.id, rep.id, rep.device_id, utc_now())

        assert service.get(PATH, Authorization=f"Bearer {token}")[0] == 401

    def test_a_stream_ends_with_its_token(self, service: Service, world: World) -> None:
        phone = service.hold(short_token(world, world.person(Role.REP, world.north), 3))

        assert 0.5 < service.until(lambda: phone.closed) < 5
        assert phone.events[-1] == "reauth"

    def test_nothing_but_the_stream_is_served(self, service: Service) -> None:
        for path in ("/", "/api/v1/accounts", "/api/v1/sync"):
            assert service.get(path)[0] == 404


class TestWhoMayGoOn:
    def test_a_locked_out_device_loses_its_stream(self, service: Service, world: World) -> None:
        rep, admin = world.person(Role.REP, world.north), world.person(Role.ADMIN)
        phone = service.hold(rep.token)

        assert admin.call("DELETE", f"/api/v1/devices/{rep.device_id}").status_code < 300

        assert service.until(lambda: phone.closed) < SOON_S
        assert phone.events[-1] == "reauth"

    def test_the_other_device_of_the_person_keeps_its_own(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phone, tablet = service.hold(rep.token), world.second_phone(rep)
        other = service.hold(tablet.token)

        world.sql("UPDATE devices SET revoked_at = now() WHERE id = :id", id=tablet.device_id)

        service.until(lambda: other.closed)
        service.listen(QUIET_S)
        assert not phone.closed

    def test_a_disabled_user_loses_every_stream(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phones = [service.hold(rep.token), service.hold(world.second_phone(rep).token)]

        world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=rep.id)

        assert service.until(lambda: all(phone.closed for phone in phones)) < SOON_S
        assert [phone.events[-1] for phone in phones] == ["reauth", "reauth"]

    def test_logging_out_ends_the_stream(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phone = service.hold(rep.token)

        rep.call("POST", "/api/v1/auth/logout")

        assert service.until(lambda: phone.closed) < SOON_S

    def test_another_role_is_told_and_read_anew(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phone = service.hold(rep.token)
        service.settle(phone)

        world.sql("UPDATE users SET role = 'technician' WHERE id = :id", id=rep.id)

        assert service.until(lambda: phone.closed) < SOON_S
        assert phone.events == ["changed", "reconnect"]

    def test_refreshing_a_token_disturbs_nobody(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phone = service.hold(rep.token)
        service.settle(phone)

        world.sql(
            "UPDATE refresh_families SET generation = generation + 1, rotated_at = now() WHERE user_id = :id",
            id=rep.id,
        )
        world.sql(
            "UPDATE devices SET last_seen_at = now(), app_version = '9' WHERE id = :id", id=rep.device_id
        )

        service.listen(QUIET_S)
        assert (phone.events, phone.closed) == ([], False)


class TestScope:
    def test_a_gained_territory_pings_although_nothing_in_it_changes(
        self, service: Service, world: World
    ) -> None:
        rep = world.person(Role.REP, world.north)
        world.account(world.south)
        world.drain()
        phone = service.hold(rep.token)
        service.settle(phone)

        with world.session() as session:
            world.join(session, rep.id, world.south)
        world.drain()

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    def test_changes_in_a_gained_territory_ping_from_then_on(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.south)
        phone = service.hold(rep.token)
        with world.session() as session:
            world.join(session, rep.id, world.north)
        world.drain()
        service.until(lambda: bool(phone.pings))
        service.settle(phone)

        changed(world)

        assert service.until(lambda: bool(phone.pings)) < SOON_S

    def test_a_lost_territory_pings_once_and_then_no_more(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north, world.south)
        world.drain()
        phone = service.hold(rep.token)
        service.settle(phone)
        world.sql(
            "UPDATE territory_members SET deleted_at = now() WHERE user_id = :user AND territory_id = :north",
            user=rep.id,
            north=world.north,
        )
        world.drain()
        assert service.until(lambda: bool(phone.pings)) < SOON_S
        service.settle(phone)

        changed(world)

        service.listen(QUIET_S)
        assert phone.pings == []

    def test_a_membership_that_ended_by_time_alone_pings(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        world.drain()
        phone = service.hold(rep.token)
        later = utc_now() + timedelta(days=2)
        world.sql(
            "UPDATE territory_members SET valid_to = :day WHERE user_id = :user",
            user=rep.id,
            day=utc_now().date() + timedelta(days=1),
        )
        world.drain()
        service.until(lambda: service.metric("fieldmerge_event_streams") == 1)
        service.listen(QUIET_S)
        phone.forget()

        world.sql("SELECT sync_mark_user(:user)", user=rep.id)  # as the job of that day does
        world.drain(later)

        assert service.until(lambda: bool(phone.pings)) < SOON_S


class TestTheDatabase:
    def test_there_is_one_connection_however_many_phones(
        self, service: Service, world: World, migrated: Config
    ) -> None:
        for _ in range(10):
            service.hold(world.person(Role.REP, world.north).token)

        assert len(connections(world)) == 1

    def test_a_lost_connection_is_made_again_and_everybody_told_once(
        self, service: Service, world: World
    ) -> None:
        here, there = world.person(Role.REP, world.north), world.person(Role.REP, world.south)
        world.drain()
        near, far = service.hold(here.token), service.hold(there.token)
        service.settle(near, far)
        (before,) = connections(world)

        terminate(world, before)

        service.until(lambda: bool(near.pings and far.pings))
        service.listen(QUIET_S)
        assert (len(near.pings), len(far.pings)) == (1, 1)
        assert connections(world) != [before]
        for phone in (near, far):
            phone.forget()
        changed(world)
        assert service.until(lambda: bool(near.pings)) < SOON_S
        assert far.pings == []

    def test_news_that_come_with_the_answer_of_a_question_wait_for_no_others(
        self, service: Service, world: World
    ) -> None:
        here, there = world.person(Role.REP, world.north), world.person(Role.REP, world.south)
        near, far = service.hold(here.token), service.hold(there.token)
        service.settle(near, far)

        with world.db.engine.begin() as other:
            other.execute(text("LOCK TABLE sync_heads IN ACCESS EXCLUSIVE MODE"))
            service.tell(near)
            service.until(lambda: bool(connections(world, "wait_event_type = 'Lock'")))
            service.tell(far)

        assert service.until(lambda: bool(near.pings)) < SOON_S
        assert service.until(lambda: bool(far.pings)) < SOON_S

    def test_what_changed_while_it_was_away_is_told(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        phone = service.hold(rep.token)
        locked_out = service.hold(world.second_phone(rep).token)

        (before,) = connections(world)
        terminate(world, before)
        changed(world)
        world.sql("UPDATE devices SET revoked_at = now() WHERE name = 'iPad'")

        service.until(lambda: bool(phone.pings) and locked_out.closed)
        assert locked_out.events[-1] == "reauth"


def connections(world: World, which: str = "true") -> list[int]:
    """Process ids, in the database, of the connections of the process that pings."""
    with world.db.app.connect() as connection:
        return list(
            connection.scalars(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'fieldmerge-events'"
                    f" AND datname = current_database() AND {which}"
                )
            )
        )


def terminate(world: World, pid: int) -> None:
    """Cut a connection, as its own role may."""
    with psycopg.connect(services(world.app).config.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
