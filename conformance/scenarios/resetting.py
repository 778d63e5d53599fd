"""When the server forgets: only where a sandbox may be reset on purpose. Played last."""

from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario


@scenario("Directives")
def rebase(bench: Bench) -> None:
    """After `rebase` a device takes the full set anew; acknowledged work that it sends again has no second effect."""
    admin, device = bench.device("admin"), bench.device()
    if admin.ask("GET", "/sandbox").status == 404:
        raise NotProvable("this company is no sandbox: it never forgets anything")
    if not bench.may_reset:
        raise NotProvable("would reset the sandbox; say --may-reset to try it")
    account = bench.account(device)
    acknowledged = device.edit("account", account, {"address": "확인된 일"})
    device.push(acknowledged)
    known = next(one for one in device.all("account") if one["id"] != account)
    unsent = device.edit("account", known["id"], {"address": "초기화 전의 미전송 편집"})
    answer = admin.ask("POST", "/sandbox/reset")
    expect(answer.status == 200, "The sandbox is reset", status=answer.status, code=answer.code)
    before = device.rebased
    told = device.post().json
    expect("rebase" in told["directives"], "Every device is told to take the full set anew")
    device.take(told)
    device.sync()
    expect(device.rebased == before + 1, "once", rebased=device.rebased - before)
    expect(not device.held("account", account), "What was made since is gone")
    verdicts = {one["id"]: one for one in device.sync(acknowledged, unsent)}
    expect(
        verdicts[acknowledged["id"]]["replayed"],
        "Acknowledged work is a replay",
        verdict=verdicts[acknowledged["id"]],
    )
    late = verdicts[unsent["id"]]
    expect(
        late["status"] in ("applied", "merged", "superseded", "conflict"),
        "Unsent work is judged",
        verdict=late,
    )
    device.settle()
    expect(not device.held("account", account), "and nothing comes back that was forgotten")
