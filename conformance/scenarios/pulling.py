"""What a device takes: pages, cursors, digests, pings."""

import gzip
import json
import time
from typing import Final
from urllib.parse import quote

from backports import zstd

from conformance.client import API, MEGABYTE, Answer, Device, now, wire_time
from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario

PING_WITHIN_S: Final = 12.0


@scenario("The answer")
def first_sync_in_pages(bench: Bench) -> None:
    """A first sync says `rebase` first, and its pages together are the full set, as one page gives it."""
    whole, paged = bench.new("rep"), bench.new("rep")
    answer = paged.post(limit=7)
    expect(answer.status == 200, "A first sync is answered", status=answer.status)
    told = answer.json
    expect("rebase" in told["directives"], "The first page of a first sync says rebase")
    expect(len(told["changes"]) <= 7, "A page holds no more than was asked for", count=len(told["changes"]))
    paged.take(told)
    # Some pages whatever the scope: by seven, a large one would take minutes.
    paged.sync(limit=max(20, told["budget"]["records"] // 8))
    whole.sync()
    expect(paged.records.keys() == whole.records.keys(), "Pages and one page give the same records")
    expect(whole.records, "The person of the test holds something")
    whole.settle()
    paged.settle()


@scenario("The answer")
def resumed_at_any_page(bench: Bench) -> None:
    """A page that is asked for again with the same cursor comes again; nothing is lost, nothing skipped."""
    device = bench.new("rep")
    device.take(device.post(limit=20).json)
    cursor = device.cursor
    once, again = device.post(limit=20).json, device.post(limit=20).json
    same = [(one["entity"], one["id"]) for one in once["changes"]] == [
        (one["entity"], one["id"]) for one in again["changes"]
    ]
    expect(same, "The same cursor gives the same page", cursor=cursor is not None)
    device.settle()


@scenario("Looking into it")
def quiet_at_the_checkpoint(bench: Bench) -> None:
    """At a checkpoint with nothing new, an answer brings nothing, and the digest equals what is held."""
    device = bench.device()
    told = device.post().json
    expect(not told["has_more"], "A checkpoint stays one while nothing happens")
    device.take(told)
    device.check_digest()


@scenario("Looking into it")
def damage_is_repaired(bench: Bench) -> None:
    """What a device lost or spoiled comes back by repair, and what it should not hold is named."""
    device = bench.device()
    kept = bench.account(device)
    lost = bench.account(device)
    spoiled = device.records.pop(("account", lost)) and device.records["account", kept]
    held = [{"id": one["id"], "version": one["version"]} for one in device.all("account")]
    held = [one | {"version": 0} if one["id"] == kept else one for one in held]
    stranger = "01932c5e-0000-7a3b-8c4d-1e2f3a4b5c6d"
    body = {
        "cursor": device.cursor,
        "entity": "account",
        "held": sorted([*held, {"id": stranger, "version": 3}], key=lambda one: one["id"]),
    }
    answer = device.ask("POST", "/sync/repair", body)
    expect(answer.status == 200, "Repair is answered at a checkpoint", status=answer.status, code=answer.code)
    changed = {one["id"] for one in answer.json["changes"]}
    expect(
        {kept, lost} <= changed, "Repair sends what is missing and what version 0 asks for", changed=changed
    )
    removed = {one["id"] for one in answer.json["removed"]}
    expect(stranger in removed, "Repair names what does not belong there", removed=removed)
    for change in answer.json["changes"]:
        device.records["account", change["id"]] = change["record"]
    expect(spoiled is not None, "The spoiled record was held")
    device.check_digest()


@scenario("Looking into it")
def why_it_is_here(bench: Bench) -> None:
    """`explain` knows a record that is held; of an id that never existed it says no more than of a foreign one."""
    device = bench.device()
    account = bench.account(device)
    known = device.ask("GET", f"/sync/explain?entity=account&id={account}")
    expect(known.status == 200, "explain answers", status=known.status)
    unknown = device.ask("GET", "/sync/explain?entity=account&id=01932c5e-0000-7a3b-8c4d-1e2f3a4b5c6d")
    expect(unknown.status in (200, 404), "explain of an unknown id is no failure", status=unknown.status)
    expect(known.body != unknown.body, "explain tells them apart")


@scenario("The request")
def a_cursor_of_another_device(bench: Bench) -> None:
    """A cursor that was made up, or is another device's, is answered 400 `cursor_invalid` and judges nothing."""
    device, other = bench.device(), bench.device("rep2")
    account = bench.account(device)
    mine = device.cursor
    for wrong in ("AAAA", f"{mine}x", other.cursor):
        device.cursor = wrong
        answer = device.post([device.edit("account", account, {"address": "가짜 커서"})])
        device.cursor = mine
        expect(answer.status == 400, "A foreign cursor is refused", status=answer.status, code=answer.code)
        expect(answer.code == "cursor_invalid", "and says why", code=answer.code)
    device.settle()
    expect(device.records["account", account].get("address") != "가짜 커서", "Nothing of it was judged")


@scenario("The request")
def no_work_without_a_cursor(bench: Bench) -> None:
    """A request without a cursor that carries mutations is answered 400 `mutations_without_cursor`."""
    device = bench.device()
    account = bench.account(device)
    answer = device.post([device.edit("account", account, {"address": "커서 없음"})], cursor=None)
    found = (answer.status, answer.code)
    expect(found == (400, "mutations_without_cursor"), "A first sync carries no mutations", found=found)
    device.settle()
    expect(device.records["account", account].get("address") != "커서 없음", "Nothing of it was judged")


@scenario("The request")
def unsent_work_holds_removals(bench: Bench) -> None:
    """While `client.pending` is above 0 nothing is removed from the phone, and the answer is no checkpoint."""
    device, other = bench.device(), bench.device("rep2")
    contact = bench.contact(device, bench.account(device))
    other.settle()
    expect(other.held("contact", contact), "Both devices of a person hold a new contact")
    gone = device.push(device.delete("contact", contact))
    expect(gone["status"] in ("applied", "merged"), "A contact can be deleted", verdict=gone)
    told = other.post(client={"pending": 1}).json
    expect(not told["removed"], "Nothing disappears under unsent work", removed=told["removed"])
    expect(told["has_more"], "and it is no checkpoint")
    other.take(told)
    other.settle()
    expect(not other.held("contact", contact), "Afterwards it is removed")


@scenario("Budget and live pings")
def pings(bench: Bench) -> None:
    """A device that listens at `events` is told soon after somebody else's change that a sync brings something."""
    device, other = bench.device(), bench.device("rep2")
    if not device.events:
        raise NotProvable("this server offers no live pings (`events` is null)")
    account = bench.account(device)
    other.settle()
    stream = bench.wire.stream(other.events or f"{API}/sync/events", other.access)
    try:
        if stream.status == 503:
            raise NotProvable("the server of the pings is busy: 503, which tells a phone to poll")
        expect(stream.status == 200, "The stream opens with the access token", status=stream.status)
        device.push(device.edit("account", account, {"address": f"핑 {wire_time(now())}"}))
        seen, until = b"", time.monotonic() + PING_WITHIN_S
        while b"changed" not in seen and time.monotonic() < until:
            part = stream.read1(4096)
            if not part:
                break
            seen += part
        expect(b"event: changed" in seen or b"event:changed" in seen, "A ping says changed", seen=seen[-200:])
    finally:
        stream.close()
    other.settle()


@scenario("The request")
def newer_apps(bench: Bench) -> None:
    """A schema version that the server never had is refused with 400 and judges nothing."""
    device = bench.device()
    account = bench.account(device, address="그대로")
    known = device.ask("GET", "/sync/schema").json["schema_version"]
    edit = device.edit("account", account, {"address": "미래에서 온 앱"})
    newer = device.post([edit], schema_version=known + 1)
    expect(newer.status == 400 and newer.code, "The future is refused", status=newer.status, code=newer.code)
    device.settle()
    expect(device.records["account", account]["address"] == "그대로", "Nothing of it was judged")


@scenario("Older apps")
def older_apps(bench: Bench) -> None:
    """An app that only a newer one can replace is told so: 426 `schema_too_old`."""
    device = bench.device()
    oldest = device.ask("GET", "/sync/schema").json["oldest_wire_version"]
    if oldest <= 1:
        raise NotProvable("this server still reads the first wire version: there is no older app")
    older = device.post(schema_version=oldest - 1)
    expect((older.status, older.code) == (426, "schema_too_old"), "Too old is 426", status=older.status)


@scenario("The request")
def pages_by_bytes(bench: Bench) -> None:
    """However small `limit_bytes` is, each page brings a record, and the pages together are the full set."""
    device = bench.new("rep")
    for _ in range(3):
        told = device.post(limit_bytes=1).json
        expect(told["changes"], "At least one record always comes")
        device.take(told)
    device.settle()


@scenario("The request")
def compressed_bodies(bench: Bench) -> None:
    """Bodies may be compressed, gzip and zstd, both ways; what grows beyond 8 MB is refused with 413."""
    device = bench.device()
    account = bench.account(device)
    for name, packed in (("gzip", gzip.compress), ("zstd", zstd.compress)):
        edit = device.edit("account", account, {"address": f"압축 {name}"})
        raw = packed(json.dumps(device.body([edit])).encode())
        answer = _packed(device, raw, name)
        expect(answer.status == 200, f"{name} is read", status=answer.status, code=answer.code)
        device.take(answer.json, [edit])
        full = bench.new("rep")
        plain = full.post(limit=50).json["changes"]
        read = bench.wire.ask(
            "POST", f"{API}/sync", full.body(limit=50), token=full.access, Accept_Encoding=name
        )
        expect(read.json and read.json["changes"] == plain, f"An answer in {name} says the same")
        bomb = _packed(device, packed(b" " * (9 * MEGABYTE)), name)
        expect(bomb.status == 413, f"9 MB in little {name} are too much", status=bomb.status, code=bomb.code)
        cut = _packed(device, raw[:-6], name)
        expect(cut.status == 400, f"Broken {name} is refused", status=cut.status, code=cut.code)
    unknown = _packed(device, b"{}", "conformance")
    expect(unknown.status == 415, "An unknown encoding is 415", status=unknown.status, code=unknown.code)
    device.settle()
    expect(device.records["account", account]["address"] == "압축 zstd", "What was packed was done")


def _packed(device: Device, raw: bytes, encoding: str) -> Answer:
    return device.wire.ask("POST", f"{API}/sync", token=device.access, raw=raw, Content_Encoding=encoding)


@scenario("Reading more of it over REST")
def the_same_over_rest(bench: Bench) -> None:
    """What a phone holds and what REST shows are one record: same version, same values."""
    device = bench.device()
    account = bench.account(device, tags=["적합성"])
    shown = device.ask("GET", f"/accounts/{account}")
    expect(shown.status == 200, "A record in scope can be read", status=shown.status)
    held = device.records["account", account]
    differing = {k: (v, shown.json.get(k)) for k, v in held.items() if k in shown.json and shown.json[k] != v}
    expect(not differing, "Phone and REST agree", differing=differing)
    lists = device.ask("GET", f"/accounts/{quote(account)}/history")
    expect(
        lists.status == 200 and lists.json["items"], "and its history names the making", status=lists.status
    )
