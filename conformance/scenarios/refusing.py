"""Bad input gets a clear refusal with a stable code, and changes nothing."""

import json
from typing import Any

from conformance.client import MEGABYTE, Json, new_id
from conformance.errors import expect
from conformance.suite import Bench, scenario


@scenario("Verdicts")
def bad_values(bench: Bench) -> None:
    """A mutation whose values are bad is `rejected` with a stable code, changes nothing, and is listed."""
    device = bench.device()
    account = bench.account(device, address="그대로")
    cases: list[tuple[str, Json]] = [
        ("a blank name", {"name": "   "}),
        ("a number for a text", {"address": 17}),
        ("a text for a set", {"tags": "가"}),
        ("an unknown field", {"no_such_field": 1}),
        ("a read-only field", {"completeness": 100}),
        ("a name without end", {"name": "가" * 100_000}),
        ("a reference to nothing", {"territory_id": new_id()}),
    ]
    version = device.records["account", account]["version"]
    for what, fields in cases:
        edit = device.edit("account", account, fields, base=dict.fromkeys(fields))
        verdict = device.push(edit)
        expect(verdict["status"] == "rejected", f"{what} is rejected", verdict=verdict)
        expect(verdict["code"], f"{what} has a stable code", verdict=verdict)
        listed = device.ask("GET", "/rejections?limit=200").json["items"]
        mine = edit["id"] in json.dumps(listed)
        expect(mine, f"{what} is listed for its author at /rejections")
    unknown = device.push(device.mutation("fly", "account", account, base_version=version, fields={}))
    expect(unknown["status"] == "rejected", "An unknown command is rejected", verdict=unknown)
    strange = device.push(device.mutation("update", "unicorn", new_id(), base_version=1, fields={"a": 1}))
    expect(strange["status"] == "rejected", "An unknown entity is rejected", verdict=strange)
    device.settle()
    record = device.records["account", account]
    found = (record["version"], record["address"])
    expect(found == (version, "그대로"), "Nothing was changed", found=found)


@scenario("A mutation")
def an_edit_without_its_base(bench: Bench) -> None:
    """A field that merges as a set or a text is rejected without `base`: `base_required`."""
    device = bench.device()
    account = bench.account(device, tags=["하나"])
    verdict = device.push(device.edit("account", account, {"tags": ["둘"]}, base={}))
    found = (verdict["status"], verdict["code"])
    expect(found == ("rejected", "base_required"), "It is refused", found=found)
    device.settle()
    expect(device.records["account", account]["tags"] == ["하나"], "and changed nothing")


@scenario("Answers to the whole request")
def bad_bodies(bench: Bench) -> None:
    """A body out of form is refused as a whole with 4xx problem+json, and judges nothing."""
    device = bench.device()
    account = bench.account(device, address="그대로")
    good = device.edit("account", account, {"address": "바뀌면 안 됨"})
    body = device.body([good])
    cases: list[tuple[str, bytes]] = [
        ("no JSON", b"{"),
        ("a list", b"[]"),
        ("nothing", b""),
        ("a duplicate key", b'{"schema_version": 1, ' + json.dumps(body)[1:].encode()),
        ("a number for mutations", _with(body, mutations=7)),
        ("a mutation without id", _with(body, mutations=[{k: v for k, v in good.items() if k != "id"}])),
        ("n of zero", _with(body, mutations=[good | {"n": 0}])),
        ("n as text", _with(body, mutations=[good | {"n": "1"}])),
        ("a limit of nothing", _with(body, limit=0)),
        ("a NaN", _with(body).replace(b'"age_ms": 0', b'"age_ms": NaN')),
    ]
    for what, raw in cases:
        answer = device.ask("POST", "/sync", raw=raw)
        expect(400 <= answer.status < 500, f"{what} is refused", status=answer.status, code=answer.code)
        kind = answer.headers.get("content-type", "")
        expect(kind.startswith("application/problem+json"), f"{what} is refused as problem+json", kind=kind)
        expect(answer.code, f"{what} has a stable code")
    device.settle()
    expect(device.records["account", account]["address"] == "그대로", "Nothing was changed")


def _with(body: Json, **other: Any) -> bytes:
    return json.dumps(body | other).encode()


@scenario("The request")
def too_much_at_once(bench: Bench) -> None:
    """More than 500 mutations, and a body of more than 8 MB, are refused as a whole."""
    device = bench.device()
    account = bench.account(device)
    many = [device.edit("account", account, {"address": f"{at}"}) for at in range(501)]
    crowded = device.post(many)
    expect(400 <= crowded.status < 500, "501 mutations are refused", status=crowded.status)
    before = device.records["account", account]
    large = json.dumps(device.body()).encode()[:-1] + b', "padding": "' + b"x" * (9 * MEGABYTE) + b'"}'
    try:
        answer = device.ask("POST", "/sync", raw=large)
    except Exception as error:
        # A server may close the connection before it has read it all; that is a refusal as well.
        if type(error).__name__ != "NoServer":
            raise
    else:
        expect(answer.status == 413, "9 MB are too much: 413", status=answer.status, code=answer.code)
    device.settle()
    expect(device.records["account", account] == before, "Nothing was changed")
