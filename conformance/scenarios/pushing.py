"""What a push answers: verdicts, groups, dependants, order."""

from conformance.client import Json, new_id
from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario


@scenario("Verdicts")
def push_and_pull(bench: Bench) -> None:
    """A create, an edit and a delete are applied, and come to the person's other device."""
    one, two = bench.device(), bench.device("rep2")
    account = bench.account(one)
    verdict = one.push(one.edit("account", account, {"address": "서울 강남구 3"}))
    expect(verdict["status"] == "applied", "An edit that nobody disputes is applied", verdict=verdict)
    fields = verdict["fields"]
    expect(fields == {"address": {"outcome": "applied"}}, "and says so for its field", fields=fields)
    record = verdict["record"] or {}
    expect(record.get("address") == "서울 강남구 3", "The verdict's record holds it", record=record)
    two.settle()
    expect(
        (two.held("account", account) or {}).get("address") == "서울 강남구 3", "The other device is given it"
    )
    contact = bench.contact(one, account)
    two.settle()
    expect(two.held("contact", contact), "and a new contact as well")
    gone = one.push(one.delete("contact", contact))
    expect(gone["status"] == "applied", "A delete that nobody disputes is applied", verdict=gone)
    two.settle()
    expect(not two.held("contact", contact), "A deleted record leaves the other device")


@scenario("The request")
def several_edits_in_one_push(bench: Bench) -> None:
    """Mutations are judged in the order of `n`; two edits of one phone in a row never conflict."""
    device = bench.device()
    account = bench.account(device, notes="하나")
    first = device.edit("account", account, {"notes": "하나\n둘", "address": "1"})
    second = device.edit("account", account, {"address": "2"})
    verdicts = device.sync(first, second)
    statuses = [one["status"] for one in verdicts]
    order = [one["id"] for one in verdicts]
    expect(order == [first["id"], second["id"]], "Verdicts come in the order of n", order=order)
    expect(set(statuses) <= {"applied", "merged"}, "They do not conflict", statuses=statuses)
    expect(device.records["account", account]["address"] == "2", "The later one stands")


@scenario("Verdicts")
def one_fails_the_others_do_not(bench: Bench) -> None:
    """No mutation's failure touches another: every one is judged by itself."""
    device = bench.device()
    account = bench.account(device)
    bad = device.edit("account", account, {"name": "   "})
    good = device.edit("account", account, {"address": "옆의 실패와 무관"})
    verdicts = {one["id"]: one["status"] for one in device.sync(bad, good)}
    expect(verdicts[bad["id"]] == "rejected", "The bad one is rejected", verdicts=verdicts)
    expect(verdicts[good["id"]] == "applied", "The good one is applied", verdicts=verdicts)
    record = device.records["account", account]
    expect(record["address"] == "옆의 실패와 무관", "and stands", record=record)


@scenario("Groups")
def groups_are_atomic(bench: Bench) -> None:
    """Of a group all are applied or none; the member at fault has its own code, the others `group_failed`."""
    device = bench.device()
    account = bench.account(device)
    group, contact = new_id(), new_id()
    fine = device.edit("account", account, {"address": "묶음 안의 편집"}, group=group)
    wrong = device.mutation(
        "create", "contact", contact, fields={"account_id": account, "name": "  "}, group=group
    )
    verdicts = {one["id"]: one for one in device.sync(fine, wrong)}
    failed, culprit = verdicts[fine["id"]], verdicts[wrong["id"]]
    found = (failed["status"], failed["code"])
    expect(
        found == ("rejected", "group_failed"), "The member without fault fails with the group", found=found
    )
    named = (failed["detail"] or {}).get("mutation_id")
    expect(named == wrong["id"], "and names the one at fault", named=named)
    expect(culprit["code"] not in (None, "group_failed"), "which has its own code", code=culprit["code"])
    expect(device.records["account", account].get("address") != "묶음 안의 편집", "Nothing of it was applied")
    other = new_id()
    good = [
        device.edit("account", account, {"address": "좋은 묶음"}, group=other),
        device.mutation(
            "create", "contact", contact, fields={"account_id": account, "name": "윤서진"}, group=other
        ),
    ]
    statuses = {one["status"] for one in device.sync(*good)}
    expect(statuses <= {"applied", "merged"}, "A good group is applied whole", statuses=statuses)
    expect(device.held("contact", contact), "with all its members")


@scenario("Groups")
def groups_out_of_form(bench: Bench) -> None:
    """A group of more than 50, with gaps in `n`, or sent again with other members, is rejected by its own code."""
    device = bench.device()
    account = bench.account(device, address="그대로")

    def of(count: int, group: str) -> list[Json]:
        return [
            device.edit("account", account, {"address": f"묶음 {at}"}, group=group) for at in range(count)
        ]

    crowd = {(one["status"], one["code"]) for one in device.sync(*of(51, new_id()))}
    expect(crowd == {("rejected", "group_too_large")}, "51 are too many", found=sorted(crowd))
    before, between, after = of(3, new_id())
    between |= {"group": None, "fields": {"phone": "+82255500100"}, "base": {"phone": None}}
    gapped = {one["id"]: one for one in device.sync(before, between, after)}
    codes = [gapped[one["id"]]["code"] for one in (before, between, after)]
    wanted = ["group_not_consecutive", None, "group_not_consecutive"]
    expect(codes == wanted, "A gap is refused, what stands in it is not", codes=codes)
    expect(device.records["account", account]["address"] == "그대로", "Nothing of them was applied")
    group = new_id()
    known = of(2, group)
    device.sync(*known)
    verdicts = device.sync(*known, *of(1, group))
    grown = [(one["replayed"], one["code"]) for one in verdicts]
    wanted_grown = [(True, None), (True, None), (False, "group_changed")]
    expect(grown == wanted_grown, "A known group takes no further member", found=grown)


@scenario("Groups")
def a_group_that_waits(bench: Bench) -> None:
    """If one member has to wait for a person, the whole group waits as one item, and nothing of it is applied."""
    one, two = bench.device(), bench.device("rep2")
    account = bench.account(one, address="그대로")
    contact = bench.contact(one, account)
    two.settle()
    group = new_id()
    work = [
        two.edit("contact", contact, {"job_title": "삭제된 사람의 새 직함"}, group=group),
        two.edit("account", account, {"address": "함께 기다리는 편집"}, group=group),
    ]
    one.push(one.delete("contact", contact))
    waits, fails = two.sync(*work)
    expect(waits["status"] == "conflict" and waits["conflict_id"], "The member waits", verdict=waits)
    found = (fails["status"], fails["code"], (fails["detail"] or {}).get("mutation_id"))
    expect(found == ("rejected", "group_failed", work[0]["id"]), "The other names it", found=found)
    item = two.held("conflict", waits["conflict_id"]) or {}
    members = {one["mutation_id"] for one in (item.get("mine") or {}).get("members", [])}
    expect(members == {one["id"] for one in work}, "One item holds them all", kind=item.get("kind"))
    expect(two.records["account", account]["address"] == "그대로", "Nothing of it was applied")


@scenario("A mutation")
def order_of_n(bench: Bench) -> None:
    """What counts is `n`, not the place in the request: mutations are judged in the order in which people worked."""
    device = bench.device()
    account = bench.account(device)
    first = device.edit("account", account, {"address": "먼저"})
    second = device.edit("account", account, {"address": "나중에"})
    device.sync(second, first)
    found = device.records["account", account]["address"]
    expect(found == "나중에", "The later edit stands", found=found)


@scenario("Verdicts")
def what_hangs_on_a_rejected_create(bench: Bench) -> None:
    """Work on a record whose own create was rejected is rejected as `depends_on`, not as unknown."""
    device = bench.device()
    account = new_id()
    made = device.push(device.mutation("create", "account", account, fields={"name": "  "}))
    expect(made["status"] == "rejected", "A customer without a name is refused", verdict=made)
    edit = device.mutation("update", "account", account, base_version=1, fields={"address": "어디"}, base={})
    verdict = device.push(edit)
    found = (verdict["status"], verdict["code"])
    expect(found == ("rejected", "depends_on"), "The edit says on what it hangs", found=found)


@scenario("How two edits of one record merge")
def a_record_with_dependants(bench: Bench) -> None:
    """A record on which live records hang cannot be deleted (`has_dependants`), but in one group with them."""
    device, maker = bench.device("manager"), bench.device()
    account = bench.account(maker)
    contact = bench.contact(maker, account)
    device.settle()
    expect(device.held("account", account), "A manager holds the customers of the team")
    verdict = device.push(device.delete("account", account))
    found = (verdict["status"], verdict["code"])
    if found == ("rejected", "forbidden"):
        raise NotProvable("a manager of this company may not delete customers")
    expect(found == ("rejected", "has_dependants"), "It is refused", found=found)
    device.settle()
    expect(device.held("account", account), "and stays")
    group = new_id()
    whole = [device.delete(*one, group=group) for one in (("account", account), ("contact", contact))]
    verdicts = device.sync(*whole)
    expect(
        {one["status"] for one in verdicts} <= {"applied", "merged"},
        "In one group it goes",
        verdicts=verdicts,
    )


@scenario("How two edits of one record merge")
def the_same_id_twice(bench: Bench) -> None:
    """A second create of an id with the same content is nothing new; with other content it is merged."""
    device, other = bench.device(), bench.device("rep2")
    contact, account = new_id(), bench.account(device)
    other.settle()
    values = {"account_id": account, "name": "윤서진"}
    first = device.push(device.mutation("create", "contact", contact, fields=values))
    expect(first["status"] == "applied", "The first is applied", verdict=first)
    again = other.push(other.mutation("create", "contact", contact, fields=values))
    expect(again["status"] in ("applied", "merged"), "The same content is nothing new", verdict=again)
    other.settle()
    count = sum(one["account_id"] == account for one in other.all("contact"))
    expect(count == 1, "There is one", count=count)
