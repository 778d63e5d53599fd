"""Which policies ask, and whom together."""

from decimal import Decimal
from typing import Any

import pytest

from app.approvals import service
from app.approvals.models import Metric
from app.core.scope import Role
from tests.approvals.office import NOW, Office


class TestThresholds:
    @pytest.mark.parametrize("metric", list(Metric))
    @pytest.mark.parametrize(("value", "side"), [("9.9999", -1), ("10", 0), ("10.0001", 1)])
    def test_at_the_threshold_nobody_is_asked(
        self, office: Office, metric: Metric, value: str, side: int
    ) -> None:
        office.policy("manager", metric=metric)
        rep = office.hire(Role.REP, office.hire())
        wanted = -1 if metric is Metric.MARGIN_PERCENT else 1
        assert asks(office, rep, metrics={metric: Decimal(value)}) is (side == wanted)

    def test_a_metric_that_is_not_known_asks_nobody(self, office: Office) -> None:
        office.policy("manager", metric="margin_percent")
        assert not asks(office, office.hire(Role.REP, office.hire()))

    @pytest.mark.parametrize(
        "values", [{"active": False}, {"document_kind": "claim"}, {"deleted_at": NOW}], ids=str
    )
    def test_other_policies_ask_nobody(self, office: Office, values: dict[str, Any]) -> None:
        office.policy("manager", **values)
        assert not asks(office, office.hire(Role.REP, office.hire()))


class TestTogether:
    def test_an_approver_whom_two_policies_name_is_asked_once_in_the_shorter_time(
        self, office: Office
    ) -> None:
        office.policy({"approver": "manager", "escalate_after_h": 9})
        office.policy({"approver": "manager", "escalate_after_h": 2}, metric="amount", threshold="1000")
        request = office.ask(
            office.hire(Role.REP, office.hire()),
            metrics={"discount_percent": Decimal(15), "amount": Decimal(5000)},
        )
        assert [entry["escalate_after_h"] for entry in request.plan] == [2]
        assert request.reasons == ["amount", "discount_percent"]

    def test_levels_are_climbed_together_the_strictest_policy_first(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        finance, second = office.hire(), office.hire()
        office.policy("manager", "manager")
        office.policy(
            {"approver": "user", "user_id": str(finance)},
            {"approver": "user", "user_id": str(second)},
            metric="credit_over",
            threshold="0",
            priority=5,
        )
        request = office.ask(
            office.hire(Role.REP, boss),
            metrics={"discount_percent": Decimal(15), "credit_over": Decimal(1)},
        )
        order = []
        while request.status == "pending":
            order.append(asked := office.asked(request))
            assert asked is not None
            request = office.do(asked, "approve", request)
        assert order == [finance, boss, second, top]

    def test_the_margin_is_no_word_for_everybody(self, office: Office) -> None:
        office.policy("manager", metric="margin_percent", threshold="20")
        request = office.ask(
            office.hire(Role.REP, office.hire()), metrics={"margin_percent": Decimal("12.5")}
        )
        assert request.reasons == []
        assert [one["value"] for one in request.triggered] == ["12.5"]

    def test_a_policy_that_changes_does_not_change_what_was_asked(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        policy = office.policy("manager", "manager")
        request = office.ask(office.hire(Role.REP, boss))
        office.world.sql("UPDATE approval_policies SET active = false WHERE id = :p", p=policy)
        assert office.asked(office.do(boss, "approve", request)) == top


def asks(office: Office, rep: Any, **values: Any) -> bool:
    with office.acting(rep) as (session, actor):
        return service.request_approval(session, actor, office.document(rep, **values), now=NOW) is not None
