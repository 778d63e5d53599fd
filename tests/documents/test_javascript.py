"""The JavaScript of docs/doors.md, docs/doors-rxdb.md and docs/doors-watermelon.md, as a part of an app that runs.

Each block stands as it is between what an app has before it and a look at what it did.
"""

import sys
from pathlib import Path

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.commands import ended
from tests.documents.fences import HOUSE, the_fence
from tests.world import PASSWORD, World

pytestmark = pytest.mark.more
PATIENCE_S = 120

LOGGED_IN = """
import { v7 as uuidv7 } from 'uuid'
import { logIn, until } from '../javascript/story.mjs'
import { openDatabase } from './database.mjs'
const { phone, desk } = await logIn('a page of the documents')
const { server } = phone
let token = phone.tokens.access_token
const database = await openDatabase('page')
"""
OF_RXDB = """
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { Subject } from 'rxjs'
const collection = database.account
const pings = new Subject()
const rebased = []
const onRebase = (which) => rebased.push(which.name)
"""
OF_WATERMELON = """
const get = (path) => phone.ask(path)
const post = (path, body) => phone.ask(path, { method: 'POST', body })
"""
SYNCED_BY_THE_EXAMPLE = """
import { sync as pages } from './sync.mjs'
const sync = () => pages(database, phone)
await sync()
"""


def block(page: str, sign: str) -> str:
    return the_fence(page, sign).text


@pytest.fixture
def logins(world: World) -> dict[str, str]:
    """A rep and a manager, a customer and a visit of today."""
    rep, manager = world.person("rep", world.north), world.person("manager", world.region)
    visited = world.account(name="가람상사")
    world.insert("visits", id=new_id(), account_id=visited, assignee_id=rep.id, planned_start=utc_now())
    world.drain()
    return {
        "TENANT": world.code,
        "REP": rep.login,
        "REP_PASSWORD": PASSWORD,
        "MANAGER": manager.login,
        "MANAGER_PASSWORD": PASSWORD,
    }


def played(tmp_path: Path, store: str, logins: dict[str, str], url: str, *parts: str) -> str:
    """What a script of these parts says, run beside the files of the store's example."""
    app = tmp_path / "page.mjs"
    app.write_text("\n".join((*parts, "process.exit(0)")), encoding="utf-8")
    command = [sys.executable, "-m", f"examples.{store}", url, "--app", str(app)]
    done = ended(command, HOUSE, logins, patience_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_replication_of_a_collection(
    world: World, logins: dict[str, str], url: str, tmp_path: Path
) -> None:
    looked = """
    await replication.awaitInSync()
    const known = await collection.findOne().exec()
    await collection.insert({ id: uuidv7(), name: '문서의 거래처', territory_id: known.territory_id, tags: [] })
    await replication.awaitInSync()
    const { version } = await desk.ask(`/api/v1/accounts/${known.id}`)
    await desk.ask(`/api/v1/accounts/${known.id}`, { method: 'PATCH', body: { notes: '사무실의 메모' }, version })
    pings.next('RESYNC')
    await until('the note of the office', () => known.getLatest().notes)
    console.log(known.name, known.getLatest().notes, `rebased: ${rebased}`)
    await replication.cancel()
    await database.close()
    """

    told = played(
        tmp_path,
        "rxdb",
        logins,
        url,
        LOGGED_IN,
        OF_RXDB,
        block("docs/doors-rxdb.md", "replicateRxCollection"),
        looked,
    )

    assert told.splitlines()[-1] == "가람상사 사무실의 메모 rebased: "
    assert world.sql("SELECT count(*) FROM accounts WHERE name = '문서의 거래처'") == [(1,)]


def test_the_sync_and_a_group_of_watermelon(
    world: World, logins: dict[str, str], url: str, tmp_path: Path
) -> None:
    before = """
    await sync()
    const [accounts, contacts] = [database.get('account'), database.get('contact')]
    console.log((await accounts.query().fetch()).map((one) => one.name).join())
    """
    page = "docs/doors-watermelon.md"

    told = played(
        tmp_path, "watermelon", logins, url,
        LOGGED_IN, OF_WATERMELON, block(page, "synchronize("), before, block(page, "syncGroup"), "await sync()",
    )  # fmt: skip

    assert told.splitlines()[-1] == "가람상사"
    assert world.sql(
        "SELECT a.name, c.name FROM contacts c JOIN accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id"
    ) == [("새 가게", "윤담당")]
    groups = world.sql(
        "SELECT count(*), count(DISTINCT group_id) FROM sync_mutations WHERE group_id IS NOT NULL"
    )
    assert groups == [(2, 1)]


def test_a_step_of_a_visit_over_rest(world: World, logins: dict[str, str], url: str, tmp_path: Path) -> None:
    before = "const [visit] = await database.get('visit').query().fetch()"
    after = "console.log(status, answer.status, (await database.get('visit').find(visit.id)).status)"

    told = played(
        tmp_path, "watermelon", logins, url,
        LOGGED_IN, SYNCED_BY_THE_EXAMPLE, before, block("docs/doors.md", "check-in"), after,
    )  # fmt: skip

    assert told.splitlines()[-1] == "200 checked_in checked_in"
    assert world.sql("SELECT status FROM visits") == [("checked_in",)]


def test_a_locked_out_device_tells_that_it_has_wiped_itself(
    world: World, logins: dict[str, str], url: str, tmp_path: Path
) -> None:
    before = """
    const { items } = await phone.ask('/api/v1/devices')
    const device = items.find((one) => one.name.startsWith('Phone with'))
    await phone.ask(`/api/v1/devices/${device.id}/revoke`, { method: 'POST', body: {} })
    await sync()  // its 401 is answered by the refresh token, and that by the farewell token
    token = phone.tokens.access_token
    """
    after = """
    const last = await fetch(`${server}/api/v1/sync/schema`, { headers: { Authorization: `Bearer ${token}` } })
    console.log(phone.tokens.farewell, last.status)
    """

    told = played(
        tmp_path, "watermelon", logins, url,
        LOGGED_IN, SYNCED_BY_THE_EXAMPLE, before, block("docs/doors.md", "wiped: true"), after,
    )  # fmt: skip

    assert told.splitlines()[-1] == "true 401"
    assert world.sql("SELECT count(*) FROM devices WHERE wiped_at IS NOT NULL") == [(1,)]
