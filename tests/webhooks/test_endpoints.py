"""Endpoints over REST."""

from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from app.core.ids import new_id
from app.core.scope import Role
from tests.world import Person, World

URL = "https://erp.example.com/hooks"


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(Role.ADMIN)


def create(person: Person, **values: Any) -> Any:
    return person.call("POST", "/api/v1/webhooks", {"url": URL, "events": ["order.*"]} | values)


class TestTheSecret:
    def test_is_shown_once(self, admin: Person) -> None:
        made = create(admin)

        assert (made.status_code, made.json["secret"][:6]) == (201, "whsec_")
        secret = made.json["secret"]
        for path in ("/api/v1/webhooks", f"/api/v1/webhooks/{made.json['id']}"):
            assert secret not in admin.call("GET", path).text

    def test_cannot_be_read_by_a_request_at_all(self, world: World, admin: Person) -> None:
        create(admin)

        with pytest.raises(ProgrammingError, match="permission denied"):
            world.sql("SELECT secret FROM webhook_secrets")

    def test_is_followed_by_another_while_the_old_one_signs_for_a_day(
        self, world: World, admin: Person
    ) -> None:
        made = create(admin)

        rotated = admin.call(
            "POST", f"/api/v1/webhooks/{made.json['id']}/rotate-secret", **{"If-Match": '"1"'}
        )

        assert rotated.status_code == 200, rotated.json
        assert rotated.json["secret"] != made.json["secret"]
        kept = world.engine_sql(
            "SELECT secret, expires_at IS NULL FROM webhook_secrets WHERE tenant_id = :tenant ORDER BY created_at"
        )
        assert kept == [(made.json["secret"], False), (rotated.json["secret"], True)]


class TestAnEndpoint:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://erp.example.com/", "not_https"),
            ("ftp://erp.example.com/", "not_https"),
            ("https://10.0.0.1/", "private_address"),
            ("https://[::1]/", "private_address"),
            ("https://127.0.0.1:8443/", "private_address"),
            ("https://user:word@erp.example.com/", "credentials_or_fragment"),
            ("https://erp.example.com/#x", "credentials_or_fragment"),
            ("https:///hooks", "malformed"),
            ("https://erp.example.com:99999/", "malformed"),
            ("https://erp.example.com\\@10.0.0.1/", "malformed"),
            ("https://예제.example.com/", "malformed"),
        ],
    )
    def test_is_no_address_of_our_own(self, admin: Person, url: str, reason: str) -> None:
        refused = create(admin, url=url)

        assert (refused.status_code, refused.json["code"]) == (422, "webhook.url_refused"), refused.json
        assert refused.json["details"] == {"reason": reason}

    @pytest.mark.parametrize("event", ["order", "order.", ".*", "*.approved", "Order.approved", "order.*.x"])
    def test_asks_for_events_by_their_names(self, admin: Person, event: str) -> None:
        refused = create(admin, events=[event])

        assert (refused.status_code, refused.json["code"]) == (422, "webhook.event_unknown")

    def test_is_changed_and_deleted_by_the_version_that_was_seen(self, admin: Person) -> None:
        path = f"/api/v1/webhooks/{create(admin).json['id']}"

        off = admin.call("PATCH", path, {"active": False}, **{"If-Match": '"1"'})
        stale = admin.call("PATCH", path, {"active": True}, **{"If-Match": '"1"'})
        gone = admin.call("DELETE", path, **{"If-Match": '"2"'})

        assert (off.json["active"], off.json["version"]) == (False, 2)
        assert (stale.status_code, gone.status_code) == (412, 204)
        assert admin.call("GET", path).status_code == 404

    def test_is_an_admins_business(self, world: World, admin: Person) -> None:
        made = create(admin).json["id"]
        for role in ("rep", "manager", "integration"):
            person = world.person(role, world.north)
            assert create(person).status_code == 403
            assert person.call("GET", f"/api/v1/webhooks/{made}").status_code == 403

    def test_of_another_company_is_not_found(self, world: World, admin: Person) -> None:
        made = create(admin).json["id"]
        stranger = World(world.app, world.db).person(Role.ADMIN)

        for one in (made, new_id()):
            assert stranger.call("GET", f"/api/v1/webhooks/{one}").status_code == 404

    def test_is_one_of_twenty_at_most(self, admin: Person) -> None:
        answers = [create(admin).status_code for _ in range(21)]

        assert answers == [201] * 20 + [422]
