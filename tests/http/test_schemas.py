from typing import Any

import pytest
from marshmallow import ValidationError

from app.core.errors import Forbidden
from app.http.fields import (
    Boolean,
    Id,
    Integer,
    Money,
    Nested,
    QuerySchema,
    Rendered,
    Rows,
    Text,
    Texts,
    WireSchema,
)
from app.http.shapes import rendered, schema_for
from sync.policy import Kind, SyncEntity, last_write, read_only


class LineSchema(WireSchema):
    id = Id(required=True)
    total = Money(dump_only=True)
    note = Text(max=9)


class OrderSchema(WireSchema):
    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    name = Text(max=9, required=True)
    limit = Money()
    lines = Rows(LineSchema, max_items=3)
    place = Nested(LineSchema)


class OrderQuery(QuerySchema):
    limit = Integer(min=1, max=200)
    open = Boolean()
    tag = Texts()


ORDER = SyncEntity(
    "test_order",
    "orders",
    fields={
        "name": last_write(),
        "limit": last_write(Kind.MONEY, "sales", "manager"),
        "lines": read_only(Kind.ROWS),
    },
    buckets="",
    shapes=("manager+sales", "service"),
)


def refused(schema: WireSchema, data: Any) -> Any:
    with pytest.raises(ValidationError) as caught:
        schema.load(data)
    return caught.value.messages


class TestWireSchema:
    def test_refuses_a_missing_field(self) -> None:
        assert refused(OrderSchema(), {}) == {"name": ["required"]}

    def test_refuses_null_where_none_is_allowed(self) -> None:
        assert refused(OrderSchema(), {"name": None}) == {"name": ["null_not_allowed"]}

    def test_refuses_an_unknown_field(self) -> None:
        assert refused(OrderSchema(), {"name": "a", "x": 1}) == {"x": ["unknown_field"]}

    @pytest.mark.parametrize("name", ["id", "version"])
    def test_refuses_every_field_of_the_server(self, name: str) -> None:
        assert refused(OrderSchema(), {"name": "a", name: 1}) == {name: ["read_only_field"]}

    def test_names_the_row_and_field_of_a_part(self) -> None:
        lines: list[Any] = [{"id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"}, {"total": "1"}, 5]

        assert refused(OrderSchema(), {"name": "a", "lines": lines}) == {
            "lines": {
                1: {"id": ["required"], "total": ["read_only_field"]},
                2: {"_schema": ["type_mismatch"]},
            }
        }

    def test_names_the_field_of_a_nested_object(self) -> None:
        messages = refused(OrderSchema(), {"name": "a", "place": {"total": 1, "x": 2}})

        assert messages["place"] == {"id": ["required"], "total": ["read_only_field"], "x": ["unknown_field"]}

    def test_refuses_too_many_rows_before_reading_them(self) -> None:
        assert refused(OrderSchema(), {"name": "a", "lines": [5] * 4}) == {"lines": ["too_many_items"]}

    def test_refuses_a_body_that_is_no_object(self) -> None:
        assert refused(OrderSchema(), ["a"]) == {"_schema": ["type_mismatch"]}

    def test_passes_on_what_was_rendered_before(self) -> None:
        body = Rendered(name="a")

        assert OrderSchema().dump(body) is body


class TestQuerySchema:
    def test_reads_numbers_and_booleans_from_text(self) -> None:
        assert OrderQuery().load({"limit": "20", "open": "false"}) == {"limit": 20, "open": False}

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("0", "value_out_of_range"),
            ("-1", "value_out_of_range"),
            ("1000000000", "value_out_of_range"),
            ("1e9", "type_mismatch"),
            ("abc", "type_mismatch"),
            ("", "type_mismatch"),
            ("9" * 5000, "type_mismatch"),
            ("٢", "type_mismatch"),
        ],
    )
    def test_refuses_a_bad_limit(self, text: str, code: str) -> None:
        assert refused(OrderQuery(), {"limit": text}) == {"limit": [code]}

    def test_does_not_make_bodies_lax(self) -> None:
        assert refused(OrderSchema(), {"name": "a", "lines": "1"}) == {"lines": ["type_mismatch"]}


class TestSchemaFor:
    def test_has_the_fields_of_the_shape_in_the_order_of_the_feed(self) -> None:
        schema = schema_for(ORDER, OrderSchema, "sales")

        assert list(schema.dump_fields) == ["id", "version", "name", "limit", "lines"]

    def test_leaves_out_what_the_shape_may_not_see(self) -> None:
        schema = schema_for(ORDER, OrderSchema, "service")

        assert "limit" not in schema.fields

    def test_calls_a_field_outside_the_shape_unknown(self) -> None:
        schema = schema_for(ORDER, OrderSchema, "service")

        assert refused(schema, {"name": "a", "limit": "5"}) == {"limit": ["unknown_field"]}

    def test_is_made_once(self) -> None:
        assert schema_for(ORDER, OrderSchema, "sales") is schema_for(ORDER, OrderSchema, "sales")

    def test_refuses_a_class_that_sees_none_of_it(self) -> None:
        with pytest.raises(Forbidden):
            schema_for(ORDER, OrderSchema, "partner")

    def test_renders_for_the_viewer(self) -> None:
        render = rendered(ORDER, OrderSchema, "service")

        assert OrderSchema().dump(render({"id": None, "version": 1, "name": "a", "limit": "secret"})) == {
            "id": None,
            "version": 1,
            "name": "a",
        }
