"""The codes that the document lists, beside those that the code can give."""

import pytest
from flask import Flask

from app.core.errors import Conflict
from app.core.messages import MESSAGES
from app.factory import create_app
from app.http.finishing import COMMON_CODES, OF_EDITS, REFUSALS_PATH, read_refusals
from app.http.openapi import offline_config
from app.http.tracing import refusals_of, written_refusals
from tests.refusals import UNDOCUMENTED, watch_refusals


class Planted(Conflict):
    """A refusal of these tests."""

    code = "planted"


def deep() -> None:
    raise Planted


TABLE = {"one": deep}


class Door:
    def open(self) -> None:
        deep()


def door() -> Door:
    return Door()


def by_name() -> None:
    deep()


def by_table() -> None:
    TABLE["one"]()


def by_method() -> None:
    door().open()


def by_closure() -> None:
    inner = by_name

    def view() -> None:
        inner()

    view()


def only_caught() -> None:
    try:
        int("1")
    except Planted:
        raise SystemExit from None


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.tracing.OURS", ("app.", "sync.", __name__))


@pytest.mark.parametrize("view", [deep, by_name, by_table, by_method, by_closure], ids=lambda v: v.__name__)
def test_a_refusal_is_found_however_it_is_reached(view: object) -> None:
    assert (409, "planted") in refusals_of(view)  # type: ignore[arg-type]


def test_a_refusal_that_is_only_caught_is_none() -> None:
    assert refusals_of(only_caught) == set()


def test_a_view_tells_what_reading_its_code_does_not() -> None:
    assert "outcome_unknown" in read_refusals()["POST /api/v1/sync"]["503"]


def test_the_committed_codes_are_those_of_the_code() -> None:
    found = written_refusals(create_app(offline_config()))

    assert REFUSALS_PATH.read_text(encoding="utf-8") == found, "run: python -m app.http.openapi write"


def test_every_listed_code_has_its_texts() -> None:
    listed = {code for own in read_refusals().values() for codes in own.values() for code in codes}
    listed |= {code for codes in COMMON_CODES.values() for code in codes}

    assert listed - MESSAGES.keys() == {OF_EDITS}


def test_an_order_says_what_its_submission_can_meet() -> None:
    found = read_refusals()["POST /api/v1/orders/{order_id}/submit"]

    assert {"order.empty", "promotion.budget_spent"} <= set(found["422"])
    assert "order.price_differs" in found["409"]


def test_an_undocumented_refusal_would_fail_the_test_that_meets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(offline_config())
    monkeypatch.setattr("tests.refusals.read_refusals", dict)
    monkeypatch.setitem(COMMON_CODES, 401, ())
    watch_refusals(app)

    app.test_client().get("/api/v1/orders")

    assert UNDOCUMENTED == ["GET /api/v1/orders: 401 unauthenticated"]
    UNDOCUMENTED.clear()


def test_the_watch_knows_paths_with_places(monkeypatch: pytest.MonkeyPatch) -> None:
    app: Flask = create_app(offline_config())
    monkeypatch.setitem(COMMON_CODES, 401, ())
    watch_refusals(app)

    app.test_client().get("/api/v1/orders/01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d")

    assert UNDOCUMENTED == ["GET /api/v1/orders/{order_id}: 401 unauthenticated"]
    UNDOCUMENTED.clear()
