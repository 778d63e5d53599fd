"""The last pass over the API document: names, descriptions, codes, examples, and what clients may rely on.

flask-smorest writes down each operation where it stands; what follows from all of them together is added here.
"""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from app.core.messages import MESSAGES
from app.http.deprecation import HEADERS
from app.http.model_names import NO_ARGUMENTS
from app.http.operation_ids import API, operation_id
from app.http.parameter_texts import text_of_parameter

METHODS = ("get", "post", "put", "patch", "delete")
REFUSALS_PATH = Path(__file__).with_name("refusals.json")

# What every operation with this status may answer, whatever it does; its own codes come from refusals.json.
COMMON_CODES = {
    400: (
        "body_empty", "body_not_list", "body_not_object", "char_not_allowed", "cursor_invalid", "encoding_invalid",
        "json_duplicate_key", "json_invalid", "json_too_deep", "limit_exceeded", "number_out_of_range",
        "number_too_long", "request_malformed",
    ),
    401: (
        "auth.device_revoked", "auth.session_ended", "auth.user_disabled", "token_expired", "token_invalid",
        "unauthenticated",
    ),
    403: ("auth.password_change_due", "forbidden"),
    404: ("not_found",),
    409: ("conflict", "duplicate", "id_taken"),
    412: ("version_stale",),
    413: ("body_too_large",),
    415: ("unsupported_encoding", "unsupported_media_type"),
    422: ("reference_not_found", "validation_failed"),
    426: ("schema_too_old",),
    428: ("version_required",),
    429: ("too_many_requests",),
    503: ("unavailable",),
}  # fmt: skip

# Of an operation that carries out edits of others (Blueprint.refuses).
OF_EDITS = "*"

INFO = {
    "summary": "Field sales and after-sales, with a delta sync that loses nothing",
    "license": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "contact": {"name": "Fieldmerge"},
}
DESCRIPTION = """Field sales and after-sales, with a delta sync that loses nothing.

**Errors** are `application/problem+json` with a stable `code`; each operation lists its own beside those that
every operation may give. Amounts of money, quantities and rates are decimal numbers as text, never JSON numbers.
Times are RFC 3339 in UTC; ids are UUIDs, version 7 where a client makes them.

**Bodies** are one JSON object in UTF-8 (a list where an operation says so) of at most 8 MiB, 32 levels, 1,000 keys
in an object and 200 characters in a key, without NUL, lone surrogates or a key that stands twice.

**Lists** are pages: follow `next_cursor` until it is null. Changes of one record take `If-Match` with the version
that was read, and answer 412 when somebody else changed it since.

**What may change.** New operations, new fields in answers, new optional fields and parameters in requests, new error
codes and new values of open texts may come at any time: clients ignore what they do not know. Everything else is a
breaking change, and comes only under a new path (`/api/v2`).

**Deprecation.** What is to go is marked `deprecated` here at least twelve months before, because phones in the field
are not brought up to date by us. From then on each answer of it carries `Deprecation` (RFC 9745, since when),
`Sunset` (RFC 8594, when it will be gone) and a `Link` with `rel="successor-version"` to what replaces it, if
anything does. After the sunset it answers 404."""
SERVERS = [
    {
        "url": "{origin}",
        "description": "Your company's server; `make demo` listens on the default",
        "variables": {"origin": {"default": "http://127.0.0.1:8000", "description": "Scheme, host and port"}},
    }
]
# Records have their id and version, and pages their items, whatever else a viewer may not see.
ALWAYS = ("id", "version", "items", "next_cursor")
ROLES = {
    "admin": "administrators",
    "integration": "integrations",
    "manager": "managers",
    "partner": "partners",
    "rep": "representatives",
    "technician": "technicians",
}


def finished(spec: dict[str, Any], names: dict[int, str], refusals: dict[str, Any]) -> dict[str, Any]:
    """The document made of what flask-smorest wrote.

    Args:
        spec: Its document; left as it is.
        names: Of the error responses, by status.
        refusals: Codes by status of each ``POST /path``, as ``refusals.json`` has them.
    """
    document = deepcopy(spec)
    document["info"] |= INFO | {"description": DESCRIPTION}
    document["servers"] = SERVERS
    document["tags"] = sorted(document["tags"], key=lambda tag: str(tag["name"]))
    _share_no_arguments(document)
    for path, item in document["paths"].items():
        places = item.pop(
            "parameters", []
        )  # in front, as methods of SDKs take them: whom, then how, then If-Match
        for method in METHODS:
            if method in item:
                if places:
                    item[method]["parameters"] = deepcopy(places) + item[method].get("parameters", [])
                item[method] = _operation(document, method, path, item[method], names, refusals)
        _describe_parameters(path, item)
    _describe_problems(document, names)
    _name_inline(document, document["components"]["schemas"])
    _cut_requests(document)
    _share_examples(document)
    document["components"] = {name: document["components"][name] for name in sorted(document["components"])}
    return document


def read_refusals() -> dict[str, Any]:
    """Codes of each operation, as they were found when the document was written last."""
    found: dict[str, Any] = json.loads(REFUSALS_PATH.read_text(encoding="utf-8"))
    return found


def _operation(
    document: dict[str, Any],
    method: str,
    path: str,
    found: dict[str, Any],
    names: dict[int, str],
    refusals: dict[str, Any],
) -> dict[str, Any]:
    _document_codes(found, refusals.get(f"{method.upper()} {path}", {}), names)
    said = [found.get("description"), _for_whom(found), _with_version(document, found, method)]
    head = {
        "operationId": operation_id(method, path, found),
        "tags": found.get("tags", []),
        "summary": found.get("summary", ""),
        "description": "\n\n".join(part for part in said if part),
    }
    if found.get("deprecated"):
        for status, answer in found["responses"].items():
            if status.startswith("2"):
                answer["headers"] = answer.get("headers", {}) | HEADERS
    responses = dict(sorted(found["responses"].items(), key=lambda item: str(item[0])))
    return (
        head
        | {k: v for k, v in found.items() if k not in head and k != "responses"}
        | {"responses": responses}
    )


def _for_whom(operation: dict[str, Any]) -> str:
    if operation.get("security") == []:
        return "Needs no token."
    roles = operation.get("x-roles", [])
    if not roles or len(roles) == len(ROLES):
        return "For everybody who is logged in."
    return f"For {_listed([ROLES.get(role, role) for role in roles])}."


def _with_version(document: dict[str, Any], operation: dict[str, Any], method: str) -> str:
    asked = any("IF_MATCH" in str(p.get("$ref", "")) for p in operation.get("parameters", ()))
    return "Send `If-Match` with the version that was read." if asked and method != "get" else ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _document_codes(operation: dict[str, Any], own: dict[str, list[str]], names: dict[int, str]) -> None:
    """Write the operation's own codes beside the shared response of their status."""
    responses = operation["responses"] = {str(s): answer for s, answer in operation["responses"].items()}
    for status, codes in own.items():
        if int(status) not in names:
            continue
        present = responses.get(status, {})
        shared = {"$ref": f"#/components/responses/{names[int(status)]}"}
        said = present.get("description") if "$ref" not in present else None
        common = [code for code in COMMON_CODES.get(int(status), ()) if "$ref" in present]
        listed = ", ".join(f"`{code}`" for code in [*codes, *common] if code != OF_EDITS)
        if OF_EDITS in codes:
            listed += ", and whatever the edit itself is rejected with"
        responses[status] = shared | {"description": f"{said.rstrip('.')}: {listed}" if said else listed}
    if own:
        operation["x-problem-codes"] = own


def _describe_problems(document: dict[str, Any], names: dict[int, str]) -> None:
    responses = document["components"]["responses"]
    for status, name in names.items():
        codes = COMMON_CODES[status]
        responses[name]["description"] = ", ".join(f"`{code}`" for code in codes)
        media = next(iter(responses[name]["content"].values()))
        example = media.pop("example")
        media["examples"] = {example["code"]: {"value": example}}
    spoken = json.dumps(document["paths"])
    for name in [name for name in responses if f'/responses/{name}"' not in spoken]:
        del responses[name]
    if "DEFAULT_ERROR" in responses:
        media = next(iter(responses["DEFAULT_ERROR"]["content"].values()))
        media["examples"] = {
            "internal_error": {
                "value": {
                    "type": "urn:fieldmerge:problem:internal_error",
                    "title": "Internal Server Error",
                    "status": 500,
                    "code": "internal_error",
                    "detail": MESSAGES["internal_error"].en,
                    "request_id": "01932c5e8f007a3b",
                }
            }
        }


def _describe_parameters(path: str, item: dict[str, Any]) -> None:
    lists = [item[method].get("parameters", []) for method in METHODS if method in item]
    for parameter in (parameter for parameters in lists for parameter in parameters):
        if "$ref" not in parameter and not parameter.get("description"):
            parameter["description"] = text_of_parameter(parameter["name"], parameter["in"], path)


def _share_no_arguments(document: dict[str, Any]) -> None:
    """One schema for the commands of all rooms that take nothing."""
    schemas = document["components"]["schemas"]
    alike = [name for name in schemas if re.fullmatch(f"[A-Za-z]*{NO_ARGUMENTS}[0-9]*", name)]
    if not alike:
        return
    kept = schemas[alike[0]]
    for name in alike:
        del schemas[name]
    schemas[NO_ARGUMENTS] = kept | {"description": "Nothing; send an empty object"}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    _point_elsewhere(document, {f"#/components/schemas/{name}": NO_ARGUMENTS for name in alike})


def _point_elsewhere(node: Any, names: dict[str, str]) -> None:
    if isinstance(node, dict):
        if node.get("$ref") in names:
            node["$ref"] = f"#/components/schemas/{names[node['$ref']]}"
        for value in node.values():
            _point_elsewhere(value, names)
    elif isinstance(node, list):
        for value in node:
            _point_elsewhere(value, names)


def _cut_requests(document: dict[str, Any]) -> None:
    """Leave out of what is sent what only the server writes; say of answers what is always in them."""
    schemas = document["components"]["schemas"]
    operations = [item[m] for item in document["paths"].values() for m in METHODS if m in item]
    for operation in operations:
        for media in operation.get("requestBody", {}).get("content", {}).values():
            _part_from_answer(media.get("schema", {}), schemas)
    sent, answered = set[str](), set[str]()
    for operation in operations:
        _collect(operation.get("requestBody", {}), schemas, sent)
        _collect(operation["responses"], schemas, answered)
    for name in sent - answered:
        schemas[name]["properties"] = _written_by_clients(schemas[name])
    for name in answered - sent:
        always = [
            field for field in ALWAYS if schemas[name].get("properties", {}).get(field, {}).get("readOnly")
        ]
        if always:
            schemas[name]["required"] = sorted({*schemas[name].get("required", ()), *always})
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _part_from_answer(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give a body that is sent in the form of the answer a schema of its own: ``OrgUnitCreate``."""
    name = str(schema.get("$ref", "")).split("/")[-1]
    if not name or name.endswith(("Create", "Patch")):
        return
    cut = _written_by_clients(schemas[name])
    if len(cut) < len(schemas[name].get("properties", {})):
        schemas.setdefault(f"{name}Create", schemas[name] | {"properties": deepcopy(cut)})
        schema["$ref"] = f"#/components/schemas/{name}Create"


def _written_by_clients(schema: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in schema.get("properties", {}).items() if not v.get("readOnly")}


def _collect(node: Any, schemas: dict[str, Any], found: set[str]) -> None:
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
        if name in schemas and name not in found:
            found.add(name)
            _collect(schemas[name], schemas, found)
        for value in node.values():
            _collect(value, schemas, found)
    elif isinstance(node, list):
        for value in node:
            _collect(value, schemas, found)


ABOUT = ("readOnly", "description", "example")


def _name_inline(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Make a component of each object that stands in the middle of another and has a title."""
    found: dict[str, Any] = {}
    for schema in schemas.values():
        for part in schema.get("properties", {}).values():
            _hoist(part, found)
    _hoist(document["paths"], found)
    document["components"]["schemas"] = dict(sorted((schemas | found).items()))


def _hoist(node: Any, found: dict[str, Any]) -> None:
    for value in list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ():
        _hoist(value, found)
    if not isinstance(node, dict) or not isinstance(node.get("title"), str) or "type" not in node:
        return
    name = node["title"]
    kept = {key: node[key] for key in ABOUT if key in node and key != "description"}
    schema = {key: value for key, value in node.items() if key not in kept and key != "title"}
    nullable = isinstance(schema["type"], list)
    reference = {"$ref": f"#/components/schemas/{name}"}
    found.setdefault(name, schema | ({"type": schema["type"][0]} if nullable else {}))
    node.clear()
    node.update(kept | ({"anyOf": [reference, {"type": "null"}]} if nullable else reference))


def _share_examples(document: dict[str, Any]) -> None:
    """Keep each example once: operations that speak of the same schema show the same."""
    shared: dict[str, Any] = {}
    operations = [item[m] for item in document["paths"].values() for m in METHODS if m in item]
    for operation in operations:
        for answer in operation["responses"].values():
            _share(answer, operation["operationId"], "", shared)
    for operation in operations:
        _share(operation.get("requestBody", {}), operation["operationId"], "Sent", shared)
    document["components"]["examples"] = dict(sorted(shared.items()))


def _share(part: dict[str, Any], operation: str, suffix: str, shared: dict[str, Any]) -> None:
    for media in part.get("content", {}).values():
        if "example" not in media:
            continue
        value = media.pop("example")
        schema = str(media.get("schema", {}).get("$ref", "")).split("/")[-1]
        name = schema or operation[:1].upper() + operation[1:]
        if shared.get(name, {"value": value})["value"] != value:
            name += suffix or f"Of{operation[:1].upper()}{operation[1:]}"
        shared[name] = {"value": value}
        media["examples"] = {name: {"$ref": f"#/components/examples/{name}"}}


__all__ = ["API", "METHODS", "finished", "read_refusals"]
