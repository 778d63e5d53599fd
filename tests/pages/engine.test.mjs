/** The engine of the web app in Node.js, on an IndexedDB in memory and a server that says what a test wants. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NeedsLogin, NoAnswer } from "../../examples/pwa/app/engine/client.js";
import { Clock, newId } from "../../examples/pwa/app/engine/clock.js";
import { overlaid, reapplied } from "../../examples/pwa/app/engine/overlay.js";
import { People } from "../../examples/pwa/app/engine/people.js";
import { Phone } from "../../examples/pwa/app/engine/phone.js";
import { Store } from "../../examples/pwa/app/engine/store.js";

const SERVER_TIME = "2026-11-23T00:00:00.000Z";
const KEPT = { windows: { keep_acknowledged_days: 7 } };
let serial = 0;

/** @returns an answer to a sync, at the checkpoint unless told otherwise */
function answer(parts = {}) {
  return {
    verdicts: [], changes: [], removed: [], directives: [], epoch: "e1", cursor: `c${++serial}`, has_more: false,
    server_time: SERVER_TIME, budget: null, events: null, ...parts,
  };
}

function account(version, fields = {}) {
  return { entity: "account", id: "a1", version, record: { id: "a1", version, name: "가람상사", ...fields } };
}

/** A server of prepared answers: an object, an Error for no answer, or a function of the request's body. */
class Server {
  constructor(...answers) {
    this.answers = answers;
    this.asked = [];
    this.send = this.send.bind(this);
  }

  async send(path, request) {
    const body = request.body ? JSON.parse(request.body) : null;
    this.asked.push({ path, body, headers: request.headers });
    if (path === "/sync/schema") return Response.json(KEPT);
    let next = this.answers.shift() ?? answer();
    if (typeof next === "function") next = next(body);
    if (next instanceof Error) throw next;
    return next instanceof Response ? next : Response.json(next);
  }

  /** Bodies of the syncs. */
  get syncs() {
    return this.asked.filter((one) => one.path === "/sync").map((one) => one.body);
  }
}

async function phoneOf(server, clock = new Clock()) {
  const name = `phone ${++serial}`;
  const store = await Store.open(name);
  await store.transaction((work) => work.write("tokens", { access: "old", refresh: "r1" }));
  return new Phone(store, name, { send: server.send, clock });
}

const applied = (body) =>
  answer({ verdicts: body.mutations.map((one) => ({ id: one.id, status: "applied", code: null, record: null })) });

let server;
beforeEach(() => {
  server = new Server(answer({ directives: ["rebase"], changes: [account(7, { phone: null, notes: "" })] }));
});

test("what was lost on its way back is sent again, the same", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "+8225550100" });
  server.answers = [new TypeError("the answer was lost"), applied];

  await assert.rejects(phone.sync(), NoAnswer);
  assert.equal(await phone.store.unsentCount(), 1);
  await phone.sync();

  const [, lost, again] = server.syncs;
  assert.deepEqual(again.mutations, lost.mutations);
  assert.equal(lost.mutations[0].base_version, 7);
  assert.deepEqual(lost.mutations[0].base, { phone: null });
  assert.equal(await phone.store.unsentCount(), 0);
});

test("an edit is based on what was shown, not on what came while its form stood open", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  const shown = await phone.open("account", "a1");
  server.answers = [answer({ changes: [account(8, { phone: "+82 of another", notes: "" })] }), applied];
  await phone.sync();

  await phone.edit(shown, { phone: "+82 mine", notes: "" });
  await phone.sync();

  const [sent] = server.syncs[2].mutations;
  assert.equal(sent.base_version, 7);
  assert.deepEqual([sent.fields, sent.base], [{ phone: "+82 mine" }, { phone: null }]);
});

test("an answer that cannot be kept whole is not kept at all", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "1" });
  const broken = { entity: "account", id: undefined, version: 8, record: {} };
  server.answers = [(body) => ({ ...applied(body), cursor: "too far", changes: [account(9), broken] })];

  await assert.rejects(phone.sync());

  assert.notEqual(await phone.store.read("cursor"), "too far");
  assert.equal(await phone.store.unsentCount(), 1);
  assert.equal((await phone.store.record("account", "a1")).version, 7);
});

test("a record below the version that is held is ignored, and one that left leaves with its version", async () => {
  const phone = await phoneOf(server);
  server.answers.push(
    answer({ changes: [account(6, { name: "옛이름" })] }),
    answer({ removed: [{ entity: "account", id: "a1", reason: "out_of_scope" }] }),
    answer({ changes: [account(2, { name: "다시" })] }),
  );
  await phone.sync();
  await phone.sync();
  assert.equal((await phone.get("account", "a1")).name, "가람상사");
  await phone.sync();
  assert.equal(await phone.get("account", "a1"), null);
  await phone.sync();
  assert.equal((await phone.get("account", "a1")).name, "다시");
});

test("a rebase drops what did not come again only at its checkpoint, and never a record with unsent work", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  const other = { entity: "visit", id: "v1", version: 1, record: { id: "v1", version: 1 } };
  const third = { entity: "visit", id: "v2", version: 1, record: { id: "v2", version: 1 } };
  server.answers = [answer({ changes: [other, third] })];
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "1" });
  let between;
  server.answers = [
    answer({ directives: ["rebase"], has_more: true }),
    (body) => {
      between = phone.store.recordCount();
      return answer({ changes: [{ ...other, version: 1 }], verdicts: [], cursor: String(body.mutations.length) });
    },
  ];
  await phone.sync();

  assert.equal(await between, 3);
  assert.deepEqual((await phone.list("visit")).map((one) => one.id), ["v1"]);
  assert.equal((await phone.get("account", "a1")).phone, "1");
});

test("after a rebase what was acknowledged lately goes out again, before newer work", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "1" });
  server.answers = [applied];
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "2" });
  server.answers = [answer({ directives: ["rebase"], epoch: "e2", changes: [account(3)] }), applied];
  await phone.sync();

  assert.deepEqual(server.syncs.at(-1).mutations.map((one) => [one.n, one.fields.phone, one.epoch]), [
    [1, "1", "e1"],
    [2, "2", "e1"],
  ]);
});

test("what only a verdict told is asked for once more, and goes if the feed does not know it", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  const id = await phone.create("visit", { purpose: "sales" });
  server.answers = [
    (body) => answer({ verdicts: [{ id: body.mutations[0].id, status: "applied", record: { id, version: 1 } }] }),
    answer(),
  ];
  await phone.sync();

  assert.equal(server.answers.length, 0);
  assert.equal(await phone.get("visit", id), null);
});

test("a server that has nothing yet is asked again after a pause, one that gave a page without one", async (t) => {
  const phone = await phoneOf(server);
  await phone.sync();
  const cursor = await phone.store.read("cursor");
  const pauses = [];
  const { setTimeout: real } = globalThis;
  t.mock.method(globalThis, "setTimeout", (done, ms) => {
    if (ms > 100) pauses.push(server.syncs.length);
    return real(done, ms);
  });
  const late = answer({ cursor, has_more: true });
  server.answers = [answer({ cursor, has_more: true, changes: [account(8)] }), late, late, answer({ has_more: true })];

  await phone.sync();

  assert.equal(server.syncs.length, 6);
  assert.deepEqual(pauses, [3, 4]);
});

test("a phone without a cursor sends nothing before its second page, and counts what waits", async () => {
  const phone = await phoneOf(server);
  await phone.create("visit", { purpose: "sales" });
  server.answers = [answer({ directives: ["rebase"] }), applied];
  await phone.sync();

  assert.deepEqual(server.syncs.map((one) => [one.cursor === null, one.mutations.length, one.client.pending]), [
    [true, 0, 1],
    [false, 1, 0],
  ]);
});

test("an expired token is exchanged once by two tabs together", async () => {
  const phone = await phoneOf(server);
  const tab = new Phone(phone.store, phone.name, { send: server.send });
  const expired = () => Response.json({ code: "token_expired" }, { status: 401 });
  const send = server.send;
  let refreshed = 0;
  phone.client.send = tab.client.send = async (path, request) => {
    if (path === "/auth/refresh") {
      refreshed += 1;
      return Response.json({ access_token: "new", refresh_token: "r2" });
    }
    return request.headers.Authorization === "Bearer old" ? expired() : send(path, request);
  };

  await Promise.all([phone.client.call("GET", "/auth/me"), tab.client.call("GET", "/auth/me")]);

  assert.equal(refreshed, 1);
  assert.deepEqual(await phone.store.read("tokens"), { access: "new", refresh: "r2" });
});

test("a session that is over keeps the queue", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  await phone.edit(await phone.open("account", "a1"), { phone: "1" });
  phone.client.send = async () => Response.json({ code: "auth.session_ended" }, { status: 401 });

  await assert.rejects(phone.sync(), NeedsLogin);

  assert.equal(await phone.store.unsentCount(), 1);
  assert.equal((await phone.get("account", "a1")).phone, "1");
});

test("work of one person is never sent under another, and goes out when they are back", async () => {
  const sent = [];
  const people = await People.open(async (path, request) => {
    const body = JSON.parse(request.body ?? "{}");
    const token = (request.headers.Authorization ?? "").slice(7);
    if (path === "/auth/login") {
      const { login } = body;
      return Response.json({ access_token: login, refresh_token: login, user_id: login, device_id: `d-${login}` });
    }
    if (path !== "/sync") return Response.json(KEPT);
    sent.push(...body.mutations.map((one) => [token, one.fields.purpose]));
    return Response.json({ ...applied(body), directives: body.cursor ? [] : ["rebase"] });
  });
  const mina = await people.logIn("demo", "mina", "…", "브라우저");
  await mina.sync();
  await mina.create("visit", { purpose: "mina's" });
  await people.logOut(mina);
  assert.equal((await people.all())[0].unsent, 1);

  const jun = await people.logIn("demo", "jun", "…", "브라우저");
  assert.deepEqual(await jun.list("visit"), []);
  await jun.create("visit", { purpose: "jun's" });
  await jun.sync();
  assert.deepEqual(sent, [["jun", "jun's"]]);
  await people.logOut(jun);

  const again = await people.logIn("demo", "mina", "…", "브라우저");
  await again.sync();
  assert.deepEqual(sent.at(-1), ["mina", "mina's"]);
  assert.deepEqual((await people.all()).map((one) => one.login), ["mina"]);
});

test("a locked phone hands in its queue, deletes everything and says so until it is known", async () => {
  const phone = await phoneOf(server);
  await phone.sync();
  await phone.create("visit", { purpose: "sales" });
  const quarantined = (body) => ({ ...applied(body), directives: ["wipe"], cursor: null });
  server.answers = [quarantined, new TypeError("lost")];
  await assert.rejects(phone.sync(), NoAnswer);
  await assert.rejects(phone.create("visit", {}), /locked out/);

  server.answers = [answer({ cursor: null })];
  const result = await phone.sync();

  assert.deepEqual(server.syncs.at(-1).client, { wiped: true });
  assert.equal(result.wiped, true);
  assert.equal(await phone.store.read("tokens"), undefined);
});

test("two tabs give no number twice", async () => {
  const phone = await phoneOf(server);
  const tab = new Phone(await Store.open(phone.name), phone.name, { send: server.send });
  await Promise.all([phone, tab, phone, tab].map((one) => one.create("visit", { purpose: "sales" })));

  assert.deepEqual((await phone.store.queued()).map((one) => one.body.n), [1, 2, 3, 4]);
});

test("the age of an edit is told only where the wall clock was set back", () => {
  let wall = 1_000_000;
  let counted = 0;
  const clock = new Clock(() => wall, () => counted);
  const made = clock.moment();
  wall += 600_000; // the phone slept, and its counting clock stood still
  counted += 5_000;
  assert.equal(clock.ageMs(made), null);
  wall -= 3_600_000;
  assert.equal(clock.ageMs(made), 5_000);
  assert.equal(clock.ageMs({ ...made, boot: "another life" }), null);
});

test("ids are of version 7 and sort by time", () => {
  const ids = [1, 2, 3].map((i) => newId(Date.UTC(2026, 10, 23) + i));
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(ids, ids.toSorted());
});

test("own edits lie over what others wrote: tags by element, rows by field, texts as I see them", () => {
  assert.deepEqual(reapplied(["가", "나"], ["나", "다"], ["가", "나", "라"]), ["나", "라", "다"]);
  const base = [{ id: "t1", done: false, title: "점검" }, { id: "t2", done: false }];
  const mine = [{ id: "t1", done: true, title: "점검" }, { id: "t3", done: false }];
  const theirs = [{ id: "t1", done: false, title: "누유 점검" }, { id: "t2", done: true }, { id: "t4" }];
  assert.deepEqual(reapplied(base, mine, theirs), [
    { id: "t1", done: true, title: "누유 점검" }, { id: "t4" }, { id: "t3", done: false },
  ]);
  assert.equal(reapplied("a", "b", "c"), "b");
  assert.equal(overlaid({ id: "1", name: "x" }, [{ op: "delete", fields: {}, base: {} }]), null);
});
