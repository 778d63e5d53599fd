"""One effect, however often and however parallel a mutation is delivered."""

import json
import threading
from typing import Any

from conformance.client import Answer, Json, new_id
from conformance.errors import expect
from conformance.suite import Bench, scenario

COPIES = 4


def plain(verdict: Json) -> Json:
    """What has to be the same at every delivery."""
    return {
        key: verdict.get(key)
        for key in ("id", "status", "code", "detail", "fields", "conflict_id", "version")
    }


@scenario("Verdicts")
def a_lost_answer(bench: Bench) -> None:
    """After a lost answer the same mutations are sent again: the same verdicts, `replayed`, and one effect."""
    device = bench.device()
    account = bench.account(device, tags=["하나"])
    contact = new_id()
    work = [
        device.edit("account", account, {"tags": ["하나", "둘"]}),
        device.mutation("create", "contact", contact, fields={"account_id": account, "name": "한 번만"}),
        device.edit("account", account, {"name": " "}),
    ]
    lost = device.post(work)
    expect(lost.status == 200, "The first delivery is judged", status=lost.status)
    first = {one["id"]: one for one in lost.json["verdicts"]}
    again = {one["id"]: one for one in device.sync(*work)}
    for one in work:
        was, now = first[one["id"]], again[one["id"]]
        expect(
            now["replayed"] and not was["replayed"],
            "The second delivery says that it is a replay",
            verdict=now,
        )
        expect(plain(was) == plain(now), "A replay gets the first verdict", was=plain(was), now=plain(now))
    device.settle()
    names = [one["name"] for one in device.all("contact") if one["account_id"] == account]
    expect(names == ["한 번만"], "It had one effect", names=names)
    items = device.ask("GET", f"/accounts/{account}/history?limit=100").json["items"]
    told = sum(item.get("mutation_id") == work[0]["id"] for item in items)
    expect(told <= 1, "The history tells it once", told=told)


@scenario("What must always be true")
def replays_in_parallel(bench: Bench) -> None:
    """Several copies of one request at the same moment have one effect, and all get the same verdicts."""
    device = bench.device()
    account = bench.account(device, tags=["하나"])
    work = [
        device.edit("account", account, {"tags": ["하나", "병렬"]}),
        device.mutation("create", "contact", new_id(), fields={"account_id": account, "name": "병렬 한 명"}),
    ]
    before = device.records["account", account]["version"]
    answers: list[Answer] = []

    def deliver() -> None:
        answers.append(device.post(work))

    threads = [threading.Thread(target=deliver) for _ in range(COPIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(len(answers) == COPIES, "Every copy is answered", answered=len(answers))
    expect(all(one.status == 200 for one in answers), "with 200", statuses=[one.status for one in answers])
    told: list[list[Any]] = [[plain(one) for one in answer.json["verdicts"]] for answer in answers]
    expect(all(one == told[0] for one in told), "All copies get the same verdicts", told=told)
    first = [sum(not one["replayed"] for one in answer.json["verdicts"]) for answer in answers]
    expect(sum(first) == len(work), "Exactly one copy of each is no replay", first=first)
    device.settle()
    version = device.records["account", account]["version"]
    expect(version <= before + 1, "The record was changed once", before=before, version=version)
    names = [one["name"] for one in device.all("contact") if one["account_id"] == account]
    expect(names == ["병렬 한 명"], "One contact was made", names=names)


@scenario("Verdicts")
def an_id_with_other_content(bench: Bench) -> None:
    """The same mutation id with other content is rejected as `mutation_id_reused`, and changes nothing."""
    device = bench.device()
    account = bench.account(device)
    edit = device.edit("account", account, {"address": "처음 보낸 것"})
    device.push(edit)
    other = json.loads(json.dumps(edit)) | {"fields": {"address": "같은 번호의 다른 것"}}
    verdict = device.push(other)
    found = (verdict["status"], verdict["code"])
    expect(found == ("rejected", "mutation_id_reused"), "It is told apart", found=found)
    device.settle()
    expect(device.records["account", account]["address"] == "처음 보낸 것", "The first stands")
    again = device.push(edit)
    expect(again["replayed"] and again["status"] == "applied", "and is still known", verdict=again)


@scenario("Verdicts")
def a_queue_restored_on_another_device(bench: Bench) -> None:
    """The verdict belongs to the user: a queue that is sent again by a new device doubles nothing."""
    device = bench.device()
    account = bench.account(device)
    contact = device.mutation("create", "contact", new_id(), fields={"account_id": account, "name": "재설치"})
    device.push(contact)
    fresh = bench.new("rep")
    fresh.sync()
    verdict = fresh.push(contact)
    expect(
        verdict["replayed"] and verdict["status"] == "applied",
        "It is a replay there as well",
        verdict=verdict,
    )
    fresh.settle()
    count = sum(one["account_id"] == account for one in fresh.all("contact"))
    expect(count == 1, "There is one", count=count)
