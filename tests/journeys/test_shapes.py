"""What a technician must not see never comes near the phone, whatever they ask."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from app.accounts.sync import ACCOUNT, CONTACT, SERVICE_SHAPE
from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from examples.phone import Refused
from sync.policy import Kind, SyncEntity
from tests.journeys.conftest import InHand
from tests.world import World


def hidden_fields(entity: SyncEntity) -> dict[str, Kind]:
    """What the technician's shape leaves out."""
    seen = entity.fields_of(SERVICE_SHAPE)
    return {name: field.kind for name, field in entity.fields.items() if name not in seen}


def planted(entity: SyncEntity) -> dict[str, Any]:
    """A value for each hidden field that stands nowhere else."""
    values: dict[str, Any] = {}
    for name, kind in hidden_fields(entity).items():
        if kind is Kind.MONEY:
            values[name] = str(secrets.randbelow(10**9) + 10**12)
        elif kind is Kind.TEXT and "currency" not in name:
            values[name] = f"TOKEN{secrets.token_hex(8)}"
    return values


@pytest.fixture
def secret_account() -> dict[str, Any]:
    return planted(ACCOUNT)


class TestTechnician:
    def test_never_receives_a_byte_of_the_sales_fields(
        self, world: World, hand: Callable[..., InHand], secret_account: dict[str, Any]
    ) -> None:
        secret_contact = planted(CONTACT)
        account, person = world.account(**secret_account), world.person(Role.TECHNICIAN)
        world.insert("visits", id=new_id(), account_id=account, assignee_id=person.id, planned_start=soon())
        world.insert("contacts", id=new_id(), account_id=account, name="윤담당", **secret_contact)

        technician = hand(person)
        technician.phone.edit("account", str(account), notes="후문으로 출입", address="새 주소 1")
        technician.phone.sync()
        ask_everything(technician, str(account))

        assert technician.phone.get("account", str(account)) is not None
        assert leaks(technician, [*secret_account.values(), *secret_contact.values()]) == []
        assert leaks(technician, [f'"{name}"' for name in (*hidden_fields(ACCOUNT), "email")]) == []

    def test_is_told_nothing_of_them_by_a_refusal_either(
        self, world: World, hand: Callable[..., InHand], secret_account: dict[str, Any]
    ) -> None:
        account, person = world.account(**secret_account), world.person(Role.TECHNICIAN)
        world.insert("visits", id=new_id(), account_id=account, assignee_id=person.id, planned_start=soon())
        technician = hand(person)

        technician.phone.edit("account", str(account), payment_terms="현금", credit_limit="1.0000")
        result = technician.phone.sync()

        assert [v["status"] for v in result.verdicts] == ["rejected"]
        assert leaks(technician, secret_account.values()) == []

    def test_the_same_grep_finds_them_on_the_reps_phone(
        self, world: World, hand: Callable[..., InHand], secret_account: dict[str, Any]
    ) -> None:
        world.account(**secret_account)

        rep = hand(world.person(Role.REP, world.north))

        assert sorted(leaks(rep, secret_account.values())) == sorted(secret_account.values())


def ask_everything(technician: InHand, account: str) -> None:
    """Every way to a customer that REST has, and some that it must not have."""
    desk = technician.desk
    for path in (
        "/accounts",
        "/contacts",
        "/relations",
        "/buying-roles",
        "/visits",
        "/conflicts",
        "/rejections",
        f"/accounts/{account}/history",
        f"/accounts/{account}/timeline",
        f"/accounts/{account}/contacts",
        "/accounts?sort=payment_terms",
        "/accounts?sort=-credit_limit",
    ):
        with suppress(Refused):
            list(desk.all(path))
    desk.get(f"/accounts/{account}")


def leaks(holder: InHand, tokens: Any) -> list[str]:
    """Which of the tokens ever came."""
    return [token for token in tokens if holder.record.has_received(token)]


def soon() -> Any:
    return utc_now() + timedelta(hours=1)
