"""Logging in, staying so, and being turned away."""

from conformance.client import API, Device, new_id
from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario


@scenario("Logging in")
def refresh_after_a_lost_answer(bench: Bench) -> None:
    """The same refresh token sent again within a minute gets the same successor; access goes on."""
    device = bench.new("rep")
    old = device.refresh
    one, two = (bench.wire.ask("POST", f"{API}/auth/refresh", {"refresh_token": old}) for _ in range(2))
    found = (one.status, two.status)
    expect(found == (200, 200), "Both are answered", found=found)
    same = one.json["refresh_token"] == two.json["refresh_token"]
    expect(same, "with the same successor")
    device.access = two.json["access_token"]
    expect(device.ask("GET", "/auth/me").status == 200, "which is good")


@scenario("Logging in")
def only_with_a_good_token(bench: Bench) -> None:
    """Without a token, with a made-up or a changed one, everything is 401 with a stable code."""
    device = bench.device()
    head, _, signature = device.access.rpartition(".")
    changed = f"{head}.{signature[:-6]}{'A' * 6}"
    for what, token in (("no token", None), ("a made-up one", "abc"), ("a changed one", changed)):
        answer = bench.wire.ask("POST", f"{API}/sync", device.body(), token=token)
        expect(answer.status == 401 and answer.code, f"{what} is 401", status=answer.status, code=answer.code)
    wrong = bench.wire.ask("POST", f"{API}/auth/refresh", {"refresh_token": "abc"})
    expect(wrong.status in (400, 401, 422), "A made-up refresh token is refused", status=wrong.status)


@scenario("Logging in")
def a_device_stays_the_same(bench: Bench) -> None:
    """A phone that sends its id at the next login stays the same device, and its cursor stays good."""
    device = bench.new("rep")
    device.settle()
    was, cursor = device.id, device.cursor
    expect(device.log_in().status == 200, "It logs in again")
    expect(device.id == was, "and is the same device")
    told = device.post().json
    expect("rebase" not in told["directives"], "and goes on from its cursor", cursor=cursor is not None)


@scenario("Directives")
def a_copied_device(bench: Bench) -> None:
    """New work with a counter `n` that was judged already shows a copy of a device: it is judged, and told `reauth`."""
    device = bench.new("rep")
    device.settle()
    account = bench.account(device)
    copied = device.edit("account", account, {"address": "복제된 폰의 편집"}, n=1)
    told = device.post([copied]).json
    expect("reauth" in told["directives"], "The copy is told to log in anew", directives=told["directives"])
    judged = [one["id"] for one in told["verdicts"]]
    expect(judged == [copied["id"]], "Its work is judged all the same", judged=judged)
    was = device.id
    expect(device.log_in().status == 200, "It logs in, naming the device")
    expect(device.id != was, "and is given a new one")


@scenario("Logging in")
def a_session_that_was_ended(bench: Bench) -> None:
    """After logging out neither access nor refresh token is good."""
    device = bench.new("rep")
    answer = device.ask("POST", "/auth/logout", {"refresh_token": device.refresh})
    expect(answer.status in (200, 204), "Logging out is answered", status=answer.status, code=answer.code)
    again = bench.wire.ask("POST", f"{API}/auth/refresh", {"refresh_token": device.refresh})
    expect(again.status == 401, "The refresh token is worth nothing", status=again.status, code=again.code)


@scenario("Being locked out")
def a_revoked_device(bench: Bench) -> None:
    """A revoked device is turned away; its work waits unjudged as `quarantined`, and every answer says `wipe`."""
    admin = bench.device("admin")
    device = bench.new("rep")
    device.settle()
    account = next(iter(device.all("account")), None)
    if account is None:
        raise NotProvable("this person holds no customers")
    edit = device.edit("account", account["id"], {"address": "잠긴 폰의 편집"})
    revoked = admin.ask("POST", f"/devices/{device.id}/revoke", {})
    expect(
        revoked.status in (200, 204),
        "The office can revoke a device",
        status=revoked.status,
        code=revoked.code,
    )
    refused = bench.wire.ask("POST", f"{API}/sync", device.body(), token=device.access)
    expect(refused.status == 401, "Its access token is worth nothing", status=refused.status)
    farewell = bench.wire.ask("POST", f"{API}/auth/refresh", {"refresh_token": device.refresh})
    expect(farewell.status == 200, "Its refresh token buys a farewell token", status=farewell.status)
    token = farewell.json["access_token"]
    told = bench.wire.ask("POST", f"{API}/sync", device.body([edit]), token=token)
    expect(told.status == 200, "with which its work is taken", status=told.status, code=told.code)
    (verdict,) = told.json["verdicts"]
    found = (verdict["status"], verdict["code"])
    expect(found == ("conflict", "quarantined"), "unjudged", found=found)
    expect("wipe" in told.json["directives"], "The answer says wipe", directives=told.json["directives"])
    expect(not told.json["changes"], "and nothing is pulled", changes=len(told.json["changes"]))
    other = bench.wire.ask("GET", f"{API}/auth/me", token=token)
    expect(other.status in (401, 403), "The farewell token is good for nothing else", status=other.status)
    wiped = device.body([], client={"pending": 0, "wiped": True})
    bench.wire.ask("POST", f"{API}/sync", wiped, token=token)
    after = bench.wire.ask("POST", f"{API}/sync", wiped, token=token)
    expect(after.status == 401, "Once it has confirmed that it is wiped, it is 401", status=after.status)


@scenario("Answers to the whole request")
def tries_are_limited(bench: Bench) -> None:
    """Whoever guesses passwords is told to wait: 429 with `Retry-After`."""
    if not bench.may_lock:
        raise NotProvable("guesses passwords of a login that nobody has; say --may-lock to try it")
    nobody = Device(bench.wire, bench.tenant, f"nobody-{new_id()[:8]}", "wrong wrong wrong")
    for _ in range(25):
        answer = nobody.log_in()
        if answer.status == 429:
            wait = answer.headers.get("retry-after", "")
            expect(wait.isdigit() and int(wait) > 0, "429 says how long to wait", retry_after=wait)
            return
        expect(answer.status == 401, "A wrong password is 401", status=answer.status)
    expect(False, "After many tries it is 429")
