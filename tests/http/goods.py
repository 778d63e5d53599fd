"""What a company sells, made over REST."""

from tests.http.house import made
from tests.world import Person


def goods(admin: Person, account: str, number: int = 1) -> dict[str, str]:
    """One record of each kind of the catalogue, where it has one known to that account's people only."""
    currency, code = ("JPY", "USD")[number - 1], f"c{number}"
    day = f"2026-01-0{number}"
    product = made(admin, "products", sku=code, name="엔진오일", base_unit="EA")
    price_list = made(admin, "price-lists", code=code, name="단가표", currency=currency)
    promotion = made(
        admin, "promotions", code=code, name="행사", benefit="percent", value="10", for_accounts=True
    )
    assignment = made(admin, "price-list-assignments", price_list_id=price_list, account_id=account)
    price = made(
        admin,
        "prices",
        price_list_id=price_list,
        product_id=product,
        valid_from=day,
        items=[
            {"unit": "EA", "min_quantity": "0", "price": "1000", "floor_price": "900"},
            {"unit": "EA", "min_quantity": "10", "price": "950"},
        ],
    )
    cost = admin.call(
        "POST",
        f"/api/v1/products/{product}/cost",
        {"currency": currency, "cost": "700", "valid_from": day},
    )
    assert cost.status_code == 201, cost.text
    made(admin, "exchange-rates", currency=currency, day=day, rate="1400")
    return {
        "currencies/record_id": made(admin, "currencies", code=currency, line_unit="1", tax_unit="1"),
        "tax-codes/record_id": made(admin, "tax-codes", code=code, percent="10"),
        "products/record_id": product,
        "products/product_id": product,
        "price-lists/record_id": price_list,
        "price-list-assignments/record_id": assignment,
        "prices/record_id": price,
        "prices/price_id": price,
        "promotions/record_id": promotion,
        "promotion-accounts/record_id": made(
            admin, "promotion-accounts", promotion_id=promotion, account_id=account
        ),
    }
