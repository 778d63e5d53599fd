"""What a person may see: gained, lost, and never theirs."""

from conformance.client import API, Device, Json, new_id
from conformance.errors import NotProvable, expect
from conformance.suite import Bench, scenario


def elsewhere(bench: Bench, admin: Device, device: Device) -> str:
    """A territory that the person of the device does not work in."""
    own = {one["id"] for one in device.all("territory")}
    found = admin.ask("GET", "/territories?limit=200")
    parents = {one["parent_id"] for one in found.json["items"]}
    for one in found.json["items"]:
        if one["id"] not in own and one["id"] not in parents:
            return str(one["id"])
    raise NotProvable("there is no territory outside this person's scope")


def move(admin: Device, account: str, territory_id: str) -> Json:
    """Give a customer to another territory, as the office does."""
    shown = admin.ask("GET", f"/accounts/{account}").json
    answer = admin.wire.ask(
        "POST",
        f"{API}/accounts/{account}/move",
        {"territory_id": territory_id, "owner_id": None},
        token=admin.access,
        if_match=f'"{shown["version"]}"',
    )
    expect(answer.status == 200, "The office can move a customer", status=answer.status, code=answer.code)
    found: Json = answer.json
    return found


@scenario("What a phone holds")
def scope_lost_with_unsent_work(bench: Bench) -> None:
    """A customer that leaves one's scope is removed as `out_of_scope`; unsent work on it waits in the inbox."""
    device, admin = bench.device(), bench.device("admin")
    account = bench.account(device)
    edit = device.edit("account", account, {"address": "떠난 뒤에 도착한 편집"})
    device.settle()
    move(admin, account, elsewhere(bench, admin, device))
    verdict = device.push(edit)
    expect(verdict["status"] == "conflict", "The work is kept for a person", verdict=verdict)
    expect(verdict["record"] is None, "and nothing is shown of the record", record=verdict["record"])
    expect(not device.held("account", account), "The customer has left the phone")
    device.settle()


@scenario("What a phone holds")
def scope_gained(bench: Bench) -> None:
    """What comes into one's scope arrives whole with the next sync, what hangs on it included."""
    device, admin = bench.device(), bench.device("admin")
    home = next((one["id"] for one in device.all("territory")), None)
    if home is None:
        raise NotProvable("this person has no territory")
    account = bench.account(device)
    contact = new_id()
    device.push(
        device.mutation("create", "contact", contact, fields={"account_id": account, "name": "함께 온다"})
    )
    move(admin, account, elsewhere(bench, admin, device))
    device.settle()
    gone = not device.held("account", account) and not device.held("contact", contact)
    expect(gone, "A customer takes along what hangs on it")
    move(admin, account, str(home))
    device.settle()
    expect(device.held("account", account), "The customer is back")
    expect(device.held("contact", contact), "with what hangs on it")


@scenario("What must always be true")
def foreign_ids_are_unknown_ids(bench: Bench) -> None:
    """An id outside one's scope answers exactly as one that does not exist."""
    device, admin = bench.device(), bench.device("admin")
    where = elsewhere(bench, admin, device)
    made = admin.ask("POST", "/accounts", {"id": new_id(), "name": "남의 거래처", "territory_id": where})
    expect(made.status == 201, "The office can make a customer elsewhere", status=made.status, code=made.code)
    bench.customers_made += 1
    _cannot_tell(device, made.json["id"])


@scenario("What must always be true")
def ids_of_another_company(bench: Bench) -> None:
    """An id of another company answers exactly as one that does not exist."""
    other = bench.of_another_company()
    other.settle()
    if not other.all("account"):
        raise NotProvable("the person of the other company holds no customers")
    _cannot_tell(bench.device(), other.all("account")[0]["id"])


def _cannot_tell(device: Device, stranger: str) -> None:
    nowhere = new_id()
    for path in ("/accounts/{}", "/accounts/{}/history", "/sync/explain?entity=account&id={}"):
        one, other = (device.ask("GET", path.format(name)) for name in (stranger, nowhere))
        same = one.status == other.status and one.code == other.code
        expect(same, "They cannot be told apart", path=path, foreign=one.status, unknown=other.status)
    told = [
        device.push(
            device.mutation(
                "update", "account", name, base_version=1, fields={"address": "훔쳐보기"}, base={}
            )
        )
        for name in (stranger, nowhere)
    ]
    bare = [{k: one[k] for k in ("status", "code", "detail", "record", "fields")} for one in told]
    expect(bare[0] == bare[1], "A push cannot tell them apart either", foreign=bare[0], unknown=bare[1])
    expect(bare[0]["status"] == "rejected", "and is rejected", verdict=bare[0])


@scenario("What a phone holds")
def shapes_by_role(bench: Bench) -> None:
    """A technician's customer has no credit terms, in any answer."""
    technician = bench.device("technician")
    accounts = technician.all("account")
    if not accounts:
        raise NotProvable("the technician holds no customers")
    names = {"credit_limit", "payment_terms", "credit_currency"}
    seen = {name for one in accounts for name in names & one.keys()}
    expect(not seen, "No field outside the shape comes by sync", seen=sorted(seen))
    shown = technician.ask("GET", f"/accounts/{accounts[0]['id']}")
    expect(shown.status == 200, "What is held can be read", status=shown.status)
    leaked = names & shown.json.keys()
    expect(not leaked, "nor by REST", leaked=sorted(leaked))
