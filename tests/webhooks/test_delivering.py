"""Deliveries to a real receiver, and to what must never be one."""

import hmac
import ssl
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from app.core.ids import new_id
from app.webhooks import service
from app.webhooks.service.addresses import is_public
from app.webhooks.service.sending import send
from tests.webhooks.receiver import CERTIFICATE, Receiver, receiving
from tests.world import World

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SECRET = "whsec_test"


def endpoint(world: World, url: str, *events: str, secret: str = SECRET) -> Any:
    endpoint_id = new_id()
    world.insert(
        "webhook_endpoints",
        id=endpoint_id,
        url=url,
        events=list(events or ("*",)),
        created_at=NOW,
        created_by=new_id(),
    )
    world.insert("webhook_secrets", id=new_id(), endpoint_id=endpoint_id, secret=secret, created_at=NOW)
    return endpoint_id


def publish(world: World, event: str = "order.approved", **data: Any) -> None:
    with world.session() as session:
        service.publish(session, world.id, event, data, now=NOW)


def deliver(world: World, now: datetime = NOW, **how: Any) -> int:
    given = {"loopback": True, "clock": lambda: now} | how
    return service.deliver_due(world.db.engine, world.id, now, **given)


def deliveries(world: World) -> list[Any]:
    return list(
        world.sql(
            "SELECT status, attempts, response_status, error, next_attempt_at FROM webhook_deliveries"
            " ORDER BY created_at, id"
        )
    )


class TestADelivery:
    def test_is_signed_with_its_moment(self, world: World) -> None:
        with receiving() as receiver:
            endpoint(world, receiver.url)
            publish(world, order_id="7", name="가람상사")
            assert deliver(world) == 1

        ((headers, body),) = receiver.heard
        moment = str(int(NOW.timestamp()))
        mark = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, sha256).hexdigest()
        assert headers["Fieldmerge-Signature"] == f"t={moment},v1={mark}"
        (event,) = receiver.events
        assert (event["event"], event["data"]) == ("order.approved", {"order_id": "7", "name": "가람상사"})
        assert event["id"] == headers["Fieldmerge-Event-Id"]
        assert [row.status for row in deliveries(world)] == ["delivered"]

    def test_is_signed_with_both_secrets_while_one_follows_the_other(self, world: World) -> None:
        with receiving() as receiver:
            found = endpoint(world, receiver.url)
            world.sql("UPDATE webhook_secrets SET expires_at = :at", at=NOW + timedelta(hours=1))
            world.insert("webhook_secrets", id=new_id(), endpoint_id=found, secret="whsec_2", created_at=NOW)
            publish(world)
            publish(world)
            deliver(world)
            publish(world)
            deliver(world, NOW + timedelta(hours=2))

        assert [headers["Fieldmerge-Signature"].count("v1=") for headers, _ in receiver.heard] == [2, 2, 1]

    def test_comes_again_later_and_later_until_it_arrives(self, world: World) -> None:
        with receiving(statuses=[500, 503, 200]) as receiver:
            endpoint(world, receiver.url)
            publish(world)
            assert deliver(world) == 0
            assert deliveries(world) == [("pending", 1, 500, "refused", NOW + timedelta(seconds=10))]
            assert deliver(world, NOW + timedelta(seconds=9)) == 0
            assert len(receiver.heard) == 1
            assert deliver(world, NOW + timedelta(seconds=10)) == 0
            assert deliver(world, NOW + timedelta(seconds=40)) == 1

        assert len({event["id"] for event in receiver.events}) == 1
        assert [(row.status, row.attempts) for row in deliveries(world)] == [("delivered", 3)]

    def test_is_given_up_after_some_days(self, world: World) -> None:
        with receiving(statuses=[500]) as receiver:
            endpoint(world, receiver.url)
            publish(world)
            now = NOW
            for _ in range(12):
                deliver(world, now)
                now = deliveries(world)[0].next_attempt_at or now

        assert len(receiver.heard) == 12
        assert [(row.status, row.next_attempt_at) for row in deliveries(world)] == [("failed", None)]
        assert timedelta(days=2) < now - NOW < timedelta(days=5)

    def test_that_fails_lets_the_next_ones_of_its_endpoint_wait(self, world: World) -> None:
        with receiving(statuses=[500, 200]) as receiver, receiving() as other:
            endpoint(world, receiver.url)
            endpoint(world, other.url)
            for n in range(3):
                publish(world, n=n)
            assert deliver(world) == 3
            assert (len(receiver.heard), len(other.heard)) == (1, 3)
            assert deliver(world, NOW + timedelta(seconds=10)) == 3

        assert [event["data"]["n"] for event in receiver.events] == [0, 0, 1, 2]

    def test_whose_sender_died_is_taken_up_again(self, world: World) -> None:
        with receiving() as receiver:
            endpoint(world, receiver.url)
            publish(world)
            world.engine_sql(
                "UPDATE webhook_deliveries SET next_attempt_at = :t", t=NOW + timedelta(minutes=8)
            )
            assert deliver(world) == 0
            assert deliver(world, NOW + timedelta(minutes=9)) == 1

        assert len(receiver.heard) == 1

    def test_to_a_slow_endpoint_takes_turns(self, world: World) -> None:
        """Each look at the clock takes nine seconds: two messages go out, the others are due at once."""
        times = iter(NOW + timedelta(seconds=9 * n) for n in range(100))
        with receiving() as receiver:
            endpoint(world, receiver.url)
            for n in range(4):
                publish(world, n=n)
            assert deliver(world, clock=lambda: next(times)) == 2
            assert deliver(world, NOW + timedelta(minutes=1)) == 2

        assert [event["data"]["n"] for event in receiver.events] == [0, 1, 2, 3]

    def test_that_is_answered_by_410_switches_the_endpoint_off(self, world: World) -> None:
        with receiving(statuses=[410]) as receiver:
            endpoint(world, receiver.url)
            publish(world)
            deliver(world)
            publish(world)
            deliver(world, NOW + timedelta(hours=1))

        assert len(receiver.heard) == 1
        assert world.sql("SELECT active FROM webhook_endpoints") == [(False,)]

    def test_does_not_follow_a_redirect(self, world: World) -> None:
        with receiving() as target, receiving(statuses=[307], location=target.url) as receiver:
            endpoint(world, receiver.url)
            publish(world)
            deliver(world)

        assert target.heard == []
        assert [(row.response_status, row.error) for row in deliveries(world)] == [(307, "redirected")]

    def test_ends_however_slowly_the_answer_drips(self) -> None:
        with receiving(drips=True) as receiver:
            begun = time.monotonic()
            answer = send(receiver.url, b"{}", {}, loopback=True, whole_s=0.5)

        assert (answer.status, answer.error) == (None, "timeout")
        assert time.monotonic() - begun < 5


class TestAnAddress:
    def test_is_looked_up_once_and_kept(self) -> None:
        """A name server that gives a private address the second time is not asked a second time."""
        asked: list[str] = []

        def resolver(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

        with receiving() as receiver:
            url = f"http://erp.example.com:{receiver.port}/hooks"
            answer = send(url, b"{}", {}, loopback=True, resolver=resolver)

        assert (answer.status, asked) == (200, ["erp.example.com"])
        assert receiver.heard[0][0]["Host"] == f"erp.example.com:{receiver.port}"

    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.1",
            "172.16.5.4",
            "192.168.0.1",
            "127.0.0.1",
            "0.0.0.0",  # noqa: S104  (nothing is bound to it)
            "100.64.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "2002:0a00:0001::1",
            "64:ff9b::a00:1",
            "2001:db8::1",
            "no address",
        ],
    )
    def test_inside_a_network_is_never_public(self, address: str) -> None:
        assert not is_public(address)
        answer = send(
            "https://erp.example.com/hooks", b"{}", {}, loopback=False, resolver=lambda *_: [address]
        )
        assert answer.error == "address_refused"

    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
    def test_of_the_internet_is_public(self, address: str) -> None:
        assert is_public(address)

    def test_that_is_private_among_public_ones_refuses_the_name(self) -> None:
        answer = send(
            "https://erp.example.com/", b"{}", {}, loopback=False, resolver=lambda *_: ["8.8.8.8", "10.0.0.1"]
        )

        assert answer.error == "address_refused"

    def test_that_is_unknown_is_tried_again(self, world: World) -> None:
        def nobody(host: str, port: int) -> list[str]:
            raise OSError(host)

        endpoint(world, "https://erp.example.com/hooks")
        publish(world)
        deliver(world, resolver=nobody)

        assert [(row.status, row.error) for row in deliveries(world)] == [("pending", "name_unknown")]

    def test_that_turned_private_after_it_was_taken_gets_nothing(self, world: World) -> None:
        with receiving() as receiver:
            endpoint(world, f"https://erp.example.com:{receiver.port}/")
            publish(world)
            deliver(world, loopback=False, resolver=lambda *_: ["127.0.0.1"])

        assert receiver.heard == []
        assert [row.error for row in deliveries(world)] == ["address_refused"]

    def test_that_speaks_no_tls_gets_nothing(self) -> None:
        with receiving() as receiver:
            answer = send(f"https://127.0.0.1:{receiver.port}/", b"{}", {}, loopback=True)

        assert (answer.error, receiver.heard) == ("tls_failed", [])


class TestACertificate:
    @pytest.mark.parametrize(
        ("host", "trusts", "error"),
        [
            ("erp.example.com", True, None),
            ("erp.example.com", False, "tls_failed"),
            ("other.example.com", True, "tls_failed"),
            ("127.0.0.1", True, "tls_failed"),
        ],
    )
    def test_is_of_the_name_and_not_of_the_address_behind_it(
        self, host: str, trusts: bool, error: str | None
    ) -> None:
        trusted = ssl.create_default_context(cafile=CERTIFICATE) if trusts else None
        with receiving(certified=True) as receiver:
            answer = send(
                f"https://{host}:{receiver.port}/",
                b"{}",
                {},
                loopback=True,
                resolver=lambda *_: ["127.0.0.1"],
                trusted=trusted,
            )

        assert (answer.error, len(receiver.heard)) == (error, 0 if error else 1)


class TestReplay:
    def test_sends_an_event_again_under_its_id(self, world: World) -> None:
        admin = world.person("admin")
        with receiving() as receiver:
            endpoint(world, receiver.url)
            publish(world)
            deliver(world)
            ((delivery,),) = world.sql("SELECT id FROM webhook_deliveries")
            answer = admin.call("POST", f"/api/v1/webhook-deliveries/{delivery}/replay")
            assert (answer.status_code, answer.json["status"]) == (202, "pending"), answer.json
            again = admin.call("POST", f"/api/v1/webhook-deliveries/{answer.json['id']}/replay")
            assert (again.status_code, again.json["code"]) == (409, "webhook.delivery_pending")
            later = datetime(2099, 1, 1, tzinfo=UTC)
            deliver(world, later)

        assert len(receiver.heard) == 2
        assert len({event["id"] for event in receiver.events}) == 1

    def test_sends_a_stretch_of_time_to_an_endpoint_that_came_later(self, world: World) -> None:
        admin = world.person("admin")
        for event in ("order.approved", "payment.recorded", "order.shipped"):
            publish(world, event)
        with receiving() as receiver:
            late = endpoint(world, receiver.url, "order.*")
            span = {"happened_from": "2026-11-21T00:00:00Z", "happened_to": "2026-11-22T00:00:00Z"}
            answer = admin.call("POST", f"/api/v1/webhooks/{late}/replay", span)
            assert (answer.status_code, answer.json) == (202, {"events": 2})
            deliver(world, datetime(2099, 1, 1, tzinfo=UTC))

        assert sorted(event["event"] for event in receiver.events) == ["order.approved", "order.shipped"]


class TestForgetting:
    def test_takes_events_of_more_than_thirty_days(self, world: World) -> None:
        with receiving() as receiver:
            endpoint(world, receiver.url)
            publish(world)
            deliver(world)

        assert service.forget_events(world.db.engine, world.id, NOW + timedelta(days=30)) == 0
        assert service.forget_events(world.db.engine, world.id, NOW + timedelta(days=31)) == 2
        assert world.sql("SELECT count(*) FROM webhook_events") == [(0,)]


def test_a_receiver_has_an_address_of_its_own() -> None:
    with receiving() as one, receiving() as other:
        assert isinstance(one, Receiver)
        assert one.port != other.port
