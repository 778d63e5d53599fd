"""The OpenAPI document: types, examples and errors; ``python -m app.http.openapi write`` commits it."""

import importlib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import marshmallow as ma
from apispec import BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin

from app.config import Config
from app.http.errors import MIMETYPE
from app.http.example_values import SHOWN, STORY, known_example
from app.http.fields import Id, Integer, Json, ListOf, Nested, Rows, Text, WireField, WireSchema
from app.http.finishing import REFUSALS_PATH, finished, read_refusals
from app.http.json_schemas import with_null
from app.http.model_names import SchemaNames

PATH = Path(__file__).parents[2] / "openapi" / "openapi.json"
RELEASED = PATH.parent / "released"
TITLE = "Fieldmerge"
VERSION = "1"
SECURITY_SCHEME = "accessToken"

PROBLEM_NAMES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "REQUEST_ENTITY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "UNPROCESSABLE_ENTITY",
    426: "UPGRADE_REQUIRED",
    428: "PRECONDITION_REQUIRED",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}
PROBLEM_CODES = {
    400: ("request_malformed", "The body is no JSON that this server takes."),
    401: ("token_expired", "The access token has run out; use the refresh token."),
    403: ("forbidden", "Your role does not allow this."),
    404: ("not_found", "There is no such record, or you may not see it."),
    409: ("conflict", "The record is in another state than this needs."),
    412: ("version_stale", "Somebody changed the record since you read it."),
    413: ("body_too_large", "The body is larger than 8 MB."),
    415: ("unsupported_media_type", "Send application/json in UTF-8."),
    422: ("validation_failed", "Some fields are not as they must be."),
    426: ("schema_too_old", "The app is too old for this server; it has to be brought up to date."),
    428: ("version_required", "Send If-Match with the version that you read."),
    429: ("too_many_requests", "Too many requests; wait a moment."),
    503: ("unavailable", "The server is busy or its database is away; try again."),
}


# Written out: our plugin runs after the one that would resolve the class.
PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}


class FieldErrorSchema(WireSchema):
    """One field that is not as it must be."""

    pointer = Text(max=2_000, required=True, metadata={"example": "/phone", "description": "JSON pointer"})
    code = Text(max=100, required=True, metadata={"example": "phone_invalid"})
    detail = Text(max=2_000, metadata={"example": "This is no telephone number."})
    in_ = Text(
        max=20, data_key="in", metadata={"example": "query", "description": "Where, if not in the body"}
    )


class ProblemSchema(WireSchema):
    """An error as RFC 9457 has it; clients branch on ``code``."""

    type = Text(max=200, required=True, metadata={"example": "urn:fieldmerge:problem:validation_failed"})
    title = Text(max=200, required=True, metadata={"example": "Unprocessable Entity"})
    status = Integer(required=True, metadata={"example": 422})
    code = Text(max=100, required=True, metadata={"example": "validation_failed", "description": "Stable"})
    detail = Text(max=2_000, metadata={"description": "For people, by Accept-Language (ko, en)"})
    errors = Rows(FieldErrorSchema)
    details = Json(
        metadata={"example": {}, "description": "Values that belong to the code: the limit, what is allowed"}
    )
    request_id = Text(max=100, metadata={"example": "01932c5e8f007a3b"})


def prepare_spec(api: Any) -> None:
    """Teach the document of *api* our fields and how callers log in."""
    api.ma_plugin.converter.add_attribute_function(wire_field_properties)
    api.spec.components.security_scheme(
        SECURITY_SCHEME, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )


def wire_field_properties(self: Any, field: ma.fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a wire field, null included."""
    if not isinstance(field, WireField):
        return {}
    found = field.openapi()
    if isinstance(field, Rows):
        found = {"type": "array", "items": self.resolve_nested_schema(field.schema)}
        found |= {"maxItems": field.max_items}
    return with_null(field, found) | {name: ret[name] for name in ("description",) if name in ret}


def register_problem_responses(api: Any) -> None:
    """One component for each error status; operations refer to them by name."""
    for status, name in PROBLEM_NAMES.items():
        code, text = PROBLEM_CODES[status]
        example = {
            "type": f"urn:fieldmerge:problem:{code}",
            "title": name.replace("_", " ").title(),
            "status": status,
            "code": code,
            "detail": text,
            "request_id": "01932c5e8f007a3b",
        }
        content = {MIMETYPE: {"schema": ProblemSchema, "example": example}}
        api.spec.components.response(name, {"description": text, "content": content})
    api.spec.components.response(
        "DEFAULT_ERROR",
        {"description": "Any other error", "content": {MIMETYPE: {"schema": ProblemSchema}}},
        lazy=True,
    )


class CommonErrors(BasePlugin):
    """Adds to each operation the errors that follow from its form, so that rooms name only their own."""

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Add 400, 401, 403, 404, 409, 413, 415, 422 and 503 where they can occur."""
        for method, operation in (operations or {}).items():
            expected = {503}
            if operation.get("security") != []:
                expected |= {401, 403} | ({409} if method != "get" else set())
            if path and "{" in path:
                expected.add(404)
            if operation.get("requestBody"):
                expected |= {400, 413, 415, 422}
            if any(isinstance(p, dict) and p.get("in") == "query" for p in operation.get("parameters", ())):
                expected |= {400, 422}
            responses = operation.setdefault("responses", {})
            known = {int(status) for status in responses if str(status).isdigit()}
            for status in sorted(expected - known):
                responses[status] = PROBLEM_NAMES[status]
            for status in known & PROBLEM_NAMES.keys():
                _make_problem(responses, status)


def _make_problem(responses: dict[Any, Any], status: int) -> None:
    """Give an error that a room documented by hand the common form, keeping its description."""
    key = status if status in responses else str(status)
    found = responses[key]
    if isinstance(found, dict) and "$ref" not in found and "content" not in found:
        found["content"] = {MIMETYPE: {"schema": PROBLEM_REF}}
    elif isinstance(found, str):
        responses[key] = PROBLEM_NAMES[status]


def spec_plugins() -> dict[str, Any]:
    """What flask-smorest passes on to apispec."""
    return {
        "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=SchemaNames()),
        "extra_plugins": [CommonErrors()],
    }


def example_of(schema: Any, *, loading: bool) -> Any:
    """An example body from the fields' own examples.

    Args:
        schema: Class or instance.
        loading: A request (no fields of the server; of a patch only two) or an answer.
    """
    made: ma.Schema = schema if isinstance(schema, ma.Schema) else schema()
    fields = made.load_fields if loading else made.dump_fields
    names = list(fields)[:2] if loading and made.partial is True else list(fields)
    body = {fields[name].data_key or name: _example(fields[name], loading) for name in names}
    return [body] if made.many else body


def _example(field: ma.fields.Field[Any], loading: bool) -> Any:
    if "example" in field.metadata and f"{type(field.parent).__name__}.{field.name}" not in STORY:
        return field.metadata["example"]
    if isinstance(field, Rows):
        return [example_of(field.schema, loading=loading)]
    if isinstance(field, Nested):
        return example_of(field.schema, loading=loading)
    if not isinstance(field, WireField):
        return None
    name = str(field.name)
    if isinstance(field, Id) and name not in SHOWN and name != "id" and field.allow_none:
        return None
    item = field.item if isinstance(field, ListOf) else field
    known = known_example(type(item).__name__, name, type(field.parent).__name__)
    if known is ... or not _fits(field, known):
        return field.example()
    return [known] if isinstance(field, ListOf) and not isinstance(known, list) else known


def _fits(field: WireField, value: Any) -> bool:
    """Whether the story's value may stand in *field*, whose limits the story does not know."""
    if value is None:
        return field.allow_none or field.dump_only
    try:
        field.deserialize([value] if isinstance(field, ListOf) and not isinstance(value, list) else value)
    except ma.ValidationError:
        return False
    return True


def document_of(app: Any) -> dict[str, Any]:
    """The document of *app*'s routes."""
    spec = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return finished(spec, PROBLEM_NAMES, read_refusals())


def written(app: Any) -> str:
    """The document as the committed file holds it."""
    return json.dumps(document_of(app), indent=1, ensure_ascii=False) + "\n"


def as_released(document: dict[str, Any]) -> str:
    """What clients of a release rely on: the document without its examples, on one line an operation or schema."""
    components = {name: part for name, part in document["components"].items() if name != "examples"}
    kept = _without_examples(document | {"components": components})
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"') + "\n"


def _without_examples(node: Any, *, names_fields: bool = False) -> Any:
    if isinstance(node, dict):
        left_out = () if names_fields else ("example", "examples")
        return {
            name: _without_examples(part, names_fields=name == "properties")
            for name, part in node.items()
            if name not in left_out
        }
    return [_without_examples(part) for part in node] if isinstance(node, list) else node


def offline_config() -> Config:
    """Settings that let an application be made, to be looked at and never asked."""
    return Config(
        database_url="postgresql://app@localhost/none",
        database_engine_url="postgresql://engine@localhost/none",
        database_owner_url="postgresql://owner@localhost/none",
        secret_key="written-into-no-token-0123456789abcdef",  # noqa: S106  (signs nothing)
    )


def main(arguments: list[str]) -> int:
    """``write`` the document, ``check`` that the committed one is up to date, or keep it as that of a ``release``."""
    # By name: the factory stands above this package, and only this command needs it.
    app = importlib.import_module("app.factory").create_app(offline_config())
    # By name too: it reads the routes, which are written with this module.
    refusals = importlib.import_module("app.http.tracing").written_refusals(app)
    if arguments == ["write"]:
        PATH.parent.mkdir(exist_ok=True)
        REFUSALS_PATH.write_text(refusals, encoding="utf-8")
        PATH.write_text(written(app), encoding="utf-8")
        return 0
    if arguments == ["release"]:
        project = tomllib.loads((PATH.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        RELEASED.mkdir(exist_ok=True)
        kept = RELEASED / f"{project['version']}.json"
        kept.write_text(as_released(json.loads(PATH.read_text(encoding="utf-8"))), encoding="utf-8")
        return 0
    if arguments == ["check"]:
        same = REFUSALS_PATH.read_text(encoding="utf-8") == refusals
        return int(not same or PATH.read_text(encoding="utf-8") != written(app))
    sys.stderr.write("usage: python -m app.http.openapi write|check|release\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
