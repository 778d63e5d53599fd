"""The engine of the server and the phone's own, written apart, come to the same price."""

from collections import Counter
from decimal import Decimal

from app.catalog.pricing.engine import price_order
from app.catalog.pricing.wire import book_of, draft_of, priced_json
from examples.phone import pricing as phone
from tests.catalog.orders import Json, Maker

ORDERS = [Maker(seed).order() for seed in range(4_000)]
SUMS = ("list_amount", "gross", "promotion_off", "manual_off", "net", "tax", "total")


def priced(draft: Json, book: Json) -> Json:
    return priced_json(price_order(draft_of(draft), book_of(book)))


def test_the_phone_agrees_with_the_server_to_the_last_digit_and_step() -> None:
    for seed, (draft, book) in enumerate(ORDERS):
        assert phone.price_order(draft, book) == priced(draft, book), f"seed {seed}"


def test_the_orders_meet_every_rule() -> None:
    met: Counter[str] = Counter()
    for draft, book in ORDERS:
        found = priced(draft, book)
        met.update(problem["code"] for problem in found["problems"])
        met.update("free goods" for _ in found["free_goods"])
        for line in found["lines"]:
            met.update(step.get("skipped", step["step"]) for step in line["steps"])

    codes = {"product_unknown", "unit_unknown", "quantity_invalid", "price_missing", "price_expired"}
    skipped = {"group", "exclusive", "minimum", "budget", "unit"}
    steps = {"list", "contract", "promotion", "manual", "order_manual", "free goods"}
    assert met.keys() == codes | {"tax_unknown", "manual_invalid"} | skipped | steps
    assert min(met.values()) >= 5, met


def test_totals_are_the_sums_of_their_lines_in_whole_units() -> None:
    for draft, book in ORDERS:
        found = priced(draft, book)
        unit = Decimal(book["currency"]["line"]["unit"])

        sums = {name: sum((Decimal(line[name]) for line in found["lines"]), Decimal(0)) for name in SUMS}
        assert {name: Decimal(found[name]) for name in SUMS} == sums
        assert all(Decimal(line[name]) % unit == 0 for line in found["lines"] for name in SUMS)


def test_no_line_comes_to_less_than_nothing_or_gives_more_than_it_cost() -> None:
    for draft, book in ORDERS:
        for line in priced(draft, book)["lines"]:
            off = Decimal(line["promotion_off"]) + Decimal(line["manual_off"])
            paid = Decimal(line["total"] if book["tax_inclusive"] else line["net"])
            assert 0 <= paid == Decimal(line["gross"]) - off


def test_no_two_promotions_of_a_group_and_nothing_beside_an_exclusive_one_count_on_a_line() -> None:
    for draft, book in ORDERS:
        by_id = {one["id"]: one for one in book["promotions"]}
        for line in priced(draft, book)["lines"]:
            counted = [by_id[one] for one in line["promotions"]]
            groups = [one["group"] for one in counted if one["group"]]
            assert len(groups) == len(set(groups))
            assert len(counted) == 1 or not any(one["exclusive"] for one in counted)


def test_nothing_is_given_beyond_its_budget() -> None:
    for draft, book in ORDERS:
        spent = price_order(draft_of(draft), book_of(book)).given
        for promotion in book["promotions"]:
            left = promotion["budget_left"]
            assert left is None or spent.get(promotion["id"], 0) <= Decimal(left)
