"""The published vectors: those of the engine, met by the reference phone, and some of them worked out by hand."""

import json

import pytest

from examples.phone.pricing import price_order
from tests.catalog.grid import CURRENCIES
from tests.catalog.vectors import PLACE, Json, written

VECTORS: dict[str, Json] = {
    one["name"]: one for one in json.loads(PLACE.read_text(encoding="utf-8"))["vectors"]
}


def test_the_file_is_what_the_engine_prices() -> None:
    assert PLACE.read_text(encoding="utf-8") == written()


def test_the_grid_is_rule_by_currency_by_tax() -> None:
    rules = {name.rsplit(", ", 2)[0] for name in VECTORS}

    assert len(rules) >= 15
    assert len(VECTORS) == len(rules) * len(CURRENCIES) * 2 >= 120


@pytest.mark.parametrize("name", VECTORS)
def test_the_reference_phone_meets(name: str) -> None:
    vector = VECTORS[name]

    assert price_order(vector["draft"], vector["book"]) == vector["expected"]


# 7 of 12,345 won are 86,415; by contract 7 of 10,500 are 73,500; a tenth off is 7,350, of the rest a tenth by hand
# is 6,615, and of 59,535 another 5,953.5, rounded to 5,954: 53,581. Its tax of 10 % is 5,358.1, cut to 5,358.
ALL_STEPS = {"list_amount": "86415", "gross": "73500", "promotion_off": "7350", "manual_off": "12569"}


def test_all_steps_come_to_what_they_come_to_on_paper() -> None:
    expected = VECTORS["all steps one after the other, KRW, tax exclusive"]["expected"]

    assert {name: expected[name] for name in ALL_STEPS} == {n: f"{v}.0000" for n, v in ALL_STEPS.items()}
    assert (expected["net"], expected["tax"], expected["total"]) == ("53581.0000", "5358.0000", "58939.0000")


def test_tax_that_prices_contain_is_taken_out_of_them() -> None:
    # 53,581 x 10 / 110 = 4,871 exactly.
    expected = VECTORS["all steps one after the other, KRW, tax inclusive"]["expected"]

    assert (expected["net"], expected["tax"], expected["total"]) == ("48710.0000", "4871.0000", "53581.0000")


def test_an_amount_is_shared_out_without_a_rest() -> None:
    # 6.90 francs are 138 units of 0.05; over 59.65, 63.80 and 112.10 they are 34.95, 37.38 and 65.67 of them: 34, 37
    # and 65, and the two that are left go to the largest remainders, the first and the third.
    expected = VECTORS["an amount over three lines, CHF, tax exclusive"]["expected"]

    assert [line["promotion_off"] for line in expected["lines"]] == ["1.7500", "1.8500", "3.3000"]
    assert expected["promotion_off"] == "6.9000"
