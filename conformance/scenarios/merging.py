"""How two edits of one record merge, and what waits for a person."""

from datetime import timedelta

from conformance.client import API, Answer, Device, Json, new_id
from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario

NOTES = "출입: 정문\n주차: 후문\n담당: 윤 과장\n설비: 저유소\n배송: 화요일"


def pair(bench: Bench, **fields: object) -> tuple[Device, Device, str]:
    """Two devices that hold the same new customer."""
    one, two = bench.device(), bench.device("rep2")
    account = bench.account(one, **fields)
    two.settle()
    expect(two.held("account", account), "A person's other device is given what they made", id=account)
    return one, two, account


def both(one: Device, two: Device, account: str) -> Json:
    """The customer once both devices have settled; they have to agree."""
    one.settle()
    two.settle()
    mine, other = one.records["account", account], two.records["account", account]
    expect(mine == other, "Both devices hold the same record", mine=mine, other=other)
    return mine


def decide(device: Device, conflict: str, record_version: int) -> Answer:
    """Say that one's own value is to be taken, on a version of the record."""
    item = device.ask("GET", f"/conflicts/{conflict}").json
    return device.wire.ask(
        "POST",
        f"{API}/conflicts/{conflict}/resolution",
        {"choice": "mine", "reason": "등기부 확인", "record_version": record_version},
        token=device.access,
        if_match=f'"{item["version"]}"',
    )


@scenario("How two edits of one record merge")
def per_field(bench: Bench) -> None:
    """Edits of different fields of one record, both made offline, stand both."""
    one, two, account = pair(bench, phone="+82255500100", address="서울 강남구 1")
    mine = one.edit("account", account, {"address": "서울 강남구 2"})
    other = two.edit("account", account, {"phone": "+82255500199"})
    first, second = one.push(mine), two.push(other)
    expect(first["status"] == "applied", "The first edit is taken as sent", verdict=first)
    expect(second["status"] == "merged", "The second says that others changed other fields", verdict=second)
    record = both(one, two, account)
    found = (record["address"], record["phone"])
    expect(found == ("서울 강남구 2", "+82255500199"), "Both edits stand", found=found)


@scenario("How two edits of one record merge")
def later_edit_wins(bench: Bench) -> None:
    """Of two edits of one field the later made wins, whichever arrives first; the loser is `superseded`."""
    one, two, account = pair(bench, address="처음")
    late = one.edit("account", account, {"address": "나중에 씀"}, age_ms=0)
    # Both were made after the base, whose times would cap them; the one that arrives last was made first.
    early = two.edit("account", account, {"address": "먼저 씀"}, age_ms=200)
    first, second = one.push(late), two.push(early)
    expect(first["status"] == "applied", "What arrives first is taken", verdict=first)
    expect(second["status"] == "superseded", "What was made earlier loses, and is told so", verdict=second)
    expect(both(one, two, account)["address"] == "나중에 씀", "The later edit stands")


@scenario("What must always be true")
def what_lost_is_kept(bench: Bench) -> None:
    """A value that lost stands in the customer's history, with the value that won and who wrote it."""
    one, two, account = pair(bench, address="처음")
    late = one.edit("account", account, {"address": "이긴 주소"}, age_ms=0)
    early = two.edit("account", account, {"address": "진 주소"}, age_ms=200)
    one.push(late)
    verdict = two.push(early)
    expect(verdict["status"] == "superseded", "The earlier edit loses", verdict=verdict)
    items = one.ask("GET", f"/accounts/{account}/history?limit=100").json["items"]
    lost = [item for item in items if item.get("mutation_id") == early["id"]]
    expect(lost, "It is in the history all the same", mutation_id=early["id"])
    field = next(field for field in lost[0]["fields"] if field["field"] == "address")
    expect(field["new"] == "진 주소" and field["outcome"] == "superseded", "as what lost", field=field)
    winner = (field["winner"] or {}).get("mutation_id")
    expect(winner == late["id"], "with what won", winner=winner)


@scenario("Reading more of it over REST")
def edits_over_rest(bench: Bench) -> None:
    """An edit over REST merges with a phone's as any other; on an older version it is refused with 412."""
    device, office = bench.device(), bench.device("manager")
    account = bench.account(device, phone="+82255500100", address="서울 강남구 1")
    edit = device.edit("account", account, {"address": "서울 강남구 2"})
    version = device.records["account", account]["version"]
    changed = office.change(f"/accounts/{account}", {"phone": "+82255500199"}, version)
    expect(changed.status == 200, "The office can edit it", status=changed.status, code=changed.code)
    verdict = device.push(edit)
    expect(verdict["status"] == "merged", "The phone's edit merges with it", verdict=verdict)
    record = device.records["account", account]
    found = (record["address"], record["phone"])
    expect(found == ("서울 강남구 2", "+82255500199"), "Both stand", found=found)
    stale = office.change(f"/accounts/{account}", {"phone": "+82255500100"}, version)
    expect(stale.status == 412, "Somebody was faster: 412", status=stale.status, code=stale.code)
    bare = office.ask("PATCH", f"/accounts/{account}", {"phone": "+82255500100"})
    expect(400 <= bare.status < 500, "Without If-Match nothing is changed", status=bare.status)
    device.settle()
    expect(device.records["account", account]["phone"] == "+82255500199", "and nothing was")


@scenario("How two edits of one record merge")
def sets_by_element(bench: Bench) -> None:
    """Tags merge element by element: added here and removed there, both happen."""
    one, two, account = pair(bench, tags=["가", "나", "다"])
    mine = one.edit("account", account, {"tags": ["가", "나", "라"]})
    other = two.edit("account", account, {"tags": ["나", "다", "마"]})
    one.push(mine)
    two.push(other)
    tags = both(one, two, account)["tags"]
    expect(sorted(tags) == ["나", "라", "마"], "What either side added or took away has happened", tags=tags)


@scenario("How two edits of one record merge")
def texts_by_line(bench: Bench) -> None:
    """Notes merge by line; edits of far lines are both in the text."""
    one, two, account = pair(bench, notes=NOTES)
    mine = one.edit("account", account, {"notes": NOTES.replace("정문", "정문, 예약 필수")})
    other = two.edit("account", account, {"notes": NOTES.replace("화요일", "화·금요일")})
    one.push(mine)
    verdict = two.push(other)
    expect(verdict["status"] == "merged", "A merged text is told as merged", verdict=verdict)
    wanted = NOTES.replace("정문", "정문, 예약 필수").replace("화요일", "화·금요일")
    found = both(one, two, account)["notes"]
    expect(found == wanted, "Both lines are in", found=found)


@scenario("How two edits of one record merge")
def texts_on_one_line(bench: Bench) -> None:
    """Two edits of one line wait in the inbox with both texts; the server's text stays meanwhile."""
    one, two, account = pair(bench, notes=NOTES)
    mine = one.edit("account", account, {"notes": NOTES.replace("정문", "정문, 예약 필수")})
    other = two.edit("account", account, {"notes": NOTES.replace("정문", "남문")})
    one.push(mine)
    verdict = two.push(other)
    expect(verdict["status"] == "conflict", "It waits for a person", verdict=verdict)
    notes = both(one, two, account)["notes"]
    expect("정문, 예약 필수" in notes and "남문" not in notes, "What was there stays", notes=notes)
    item = two.held("conflict", verdict["conflict_id"]) or {}
    expect("남문" in str(item.get("mine")), "The item holds the other text", mine=item.get("mine"))


@scenario("How two edits of one record merge")
def rows_by_row(bench: Bench) -> None:
    """Rows of one record merge by row and field: two tasks ticked off on two phones are both done."""
    one, two, account = pair(bench)
    rows = [{"id": new_id(), "title": f"할 일 {at}", "position": at} for at in range(2)]
    visit = bench.visit(one, account, tasks=rows)
    two.settle()
    held = one.records["visit", visit]["tasks"]

    def ticked(at: int) -> list[Json]:
        return [row | {"done": True} if row["id"] == rows[at]["id"] else row for row in held]

    mine = one.edit("visit", visit, {"tasks": ticked(0)})
    other = two.edit("visit", visit, {"tasks": ticked(1)})
    one.push(mine)
    two.push(other)
    one.settle()
    done = [row["done"] for row in one.records["visit", visit]["tasks"]]
    expect(done == [True, True], "Both tasks are done", done=done)


@scenario("How two edits of one record merge")
def a_row_deleted_and_edited(bench: Bench) -> None:
    """A row that is edited on one phone and deleted on the other stays, and waits in the inbox."""
    one, two, account = pair(bench)
    rows = [{"id": new_id(), "title": f"할 일 {at}", "position": at} for at in range(2)]
    visit = bench.visit(one, account, tasks=rows)
    two.settle()
    held = one.records["visit", visit]["tasks"]
    edited = [row | {"title": "고친 할 일"} if row["id"] == rows[0]["id"] else row for row in held]
    kept = [row for row in held if row["id"] != rows[0]["id"]]
    mine = one.edit("visit", visit, {"tasks": edited})
    other = two.edit("visit", visit, {"tasks": kept})
    one.push(mine)
    verdict = two.push(other)
    expect(verdict["status"] == "conflict", "The deleting waits for a person", verdict=verdict)
    one.settle()
    titles = [row["title"] for row in one.records["visit", visit]["tasks"]]
    expect("고친 할 일" in titles, "The row stays, with the edit", titles=titles)


@scenario("The conflict inbox")
def ask_and_resolve(bench: Bench) -> None:
    """Two legal names wait in the inbox with base, mine and theirs; a decision is taken on every device."""
    one, two, account = pair(bench, legal_name="한결산업 주식회사")
    mine = one.edit("account", account, {"legal_name": "한결산업개발 주식회사"})
    other = two.edit("account", account, {"legal_name": "(주)한결에너지"})
    one.push(mine)
    verdict = two.push(other)
    expect(
        verdict["status"] == "conflict" and verdict["conflict_id"], "It waits for a person", verdict=verdict
    )
    expect(
        both(one, two, account)["legal_name"] == "한결산업개발 주식회사",
        "Until then the server's value stays",
    )
    item = two.held("conflict", verdict["conflict_id"])
    expect(item, "The item is a synced record of its author", id=verdict["conflict_id"])
    values = [(item or {}).get(side) for side in ("base", "mine", "theirs")]
    wanted = ["한결산업 주식회사", "(주)한결에너지", "한결산업개발 주식회사"]
    expect(values == wanted, "It holds all three values", found=values)
    decider = bench.device("manager")
    answer = decide(decider, verdict["conflict_id"], decider.records["account", account]["version"])
    expect(answer.status == 200, "It can be decided", status=answer.status, code=answer.code)
    expect(both(one, two, account)["legal_name"] == "(주)한결에너지", "The decision stands everywhere")


@scenario("The conflict inbox")
def deciding_on_an_older_state(bench: Bench) -> None:
    """A decision on a version of the record that is not the present one is refused with 412."""
    one, two, account = pair(bench, legal_name="가 주식회사")
    mine = one.edit("account", account, {"legal_name": "나 주식회사"})
    other = two.edit("account", account, {"legal_name": "다 주식회사"})
    one.push(mine)
    conflict = two.push(other)["conflict_id"]
    decider = bench.device("manager")
    seen = decider.records["account", account]["version"]
    one.settle()
    one.push(one.edit("account", account, {"legal_name": "라 주식회사"}))
    answer = decide(decider, conflict, seen)
    expect(answer.status == 412, "Somebody was faster: 412", status=answer.status, code=answer.code)
    expect(both(one, two, account)["legal_name"] == "라 주식회사", "and nothing was changed")


@scenario("How two edits of one record merge")
def edit_of_a_deleted_record(bench: Bench) -> None:
    """An edit of a record that was deleted meanwhile is never lost: it waits in the inbox."""
    one, two, account = pair(bench)
    contact = bench.contact(one, account)
    two.settle()
    edit = two.edit("contact", contact, {"job_title": "삭제 뒤의 편집"})
    one.push(one.delete("contact", contact))
    verdict = two.push(edit)
    expect(verdict["status"] == "conflict", "The edit waits for a person", verdict=verdict)
    one.settle()
    expect(not one.held("contact", contact), "A deleted record does not come back by itself")


@scenario("How two edits of one record merge")
def delete_of_an_edited_record(bench: Bench) -> None:
    """A delete of a record that was edited meanwhile waits, and the record stays until somebody decides."""
    one, two, account = pair(bench)
    contact = bench.contact(one, account)
    two.settle()
    delete = two.delete("contact", contact)
    one.push(one.edit("contact", contact, {"job_title": "삭제 전의 편집"}))
    verdict = two.push(delete)
    expect(verdict["status"] == "conflict", "The delete waits for a person", verdict=verdict)
    two.settle()
    title = (two.held("contact", contact) or {}).get("job_title")
    expect(title == "삭제 전의 편집", "The record stays, with the edit", title=title)


@scenario("A mutation")
def clocks_are_not_believed(bench: Bench) -> None:
    """A phone whose clock is ten years off merges as any other: what counts is the age of an edit."""
    one, _, account = pair(bench, address="처음")
    skewed = bench.new("rep", skew=timedelta(days=3653))
    skewed.settle()
    early = skewed.edit("account", account, {"address": "시계가 10년 빠른 폰"}, age_ms=3_600_000)
    late = one.edit("account", account, {"address": "방금 쓴 것"}, age_ms=0)
    one.push(late)
    verdict = skewed.push(early)
    expect(verdict["status"] == "superseded", "Ten years ahead do not win", verdict=verdict)
    one.settle()
    found = one.records["account", account]["address"]
    expect(found == "방금 쓴 것", "The later edit stands", found=found)


@scenario("How two edits of one record merge")
def commands_move_the_status(bench: Bench) -> None:
    """A status moves by commands: a check-in of a planned visit is taken, a second one is not legal."""
    device = bench.device()
    account = bench.account(device)
    visit = bench.visit(device, account)
    here = {"location": {"lat": 37.5, "lon": 127.03, "accuracy_m": 12}}
    first = device.push(device.command("visit", visit, "check_in", here))
    if first["status"] == "rejected" and first["code"] != "transition_not_allowed":
        raise NotProvable(f"this company's rules refuse the check-in: {first['code']}")
    expect(first["status"] in ("applied", "merged"), "A planned visit can be checked in", verdict=first)
    status = device.records["visit", visit]["status"]
    expect(status != "planned", "and has moved on", status=status)
    second = device.push(device.command("visit", visit, "check_in", here))
    found = (second["status"], second["code"])
    expect(found == ("rejected", "transition_not_allowed"), "What is not legal is refused", found=found)


@scenario("How two edits of one record merge")
def a_command_that_was_overtaken(bench: Bench) -> None:
    """A command that was legal on what the phone saw, and that a person overtook, waits in the inbox."""
    one, two, account = pair(bench)
    visit = bench.visit(one, account)
    two.settle()
    here = {"location": {"lat": 37.5, "lon": 127.03, "accuracy_m": 12}}
    arrive = two.command("visit", visit, "check_in", here)
    cancel = one.push(one.command("visit", visit, "cancel", {"reason": "고객 요청"}))
    if cancel["status"] == "rejected":
        raise NotProvable(f"this company's rules refuse the cancelling: {cancel['code']}")
    verdict = two.push(arrive)
    expect(verdict["status"] == "conflict", "It is never simply refused", verdict=verdict)
