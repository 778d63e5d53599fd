/** The frame of all views: who is here, where they are, what they are told; drawn anew whenever the store changes. */

/** @import {Json} from "../engine/types.js" */
/** @import {Key, Language} from "../words/words.js" */
/** @import {People} from "../engine/people.js" */

import { LockedOut, Phone, TooLarge } from "../engine/phone.js";
import { Keeper, isFull } from "../engine/keeper.js";
import { Words, chosen } from "../words/words.js";
import { render } from "../vendor/lit-html/lit-html.js";
import { frame } from "./frame.js";

/**
 * A view: what it reads of the store, and what it shows of it. `form` lives as long as the view stands open, and holds
 * what its person has typed: no sync overwrites it.
 *
 * @typedef {object} View
 * @property {Key} title
 * @property {Key} [nav] which entry of the menu it belongs to
 * @property {boolean} [inside] whether it has a way back
 * @property {(app: App, id: string) => Promise<any>} load
 * @property {(app: App, data: any) => unknown} show
 */

export class App {
  /**
   * @param {HTMLElement} root
   * @param {People} people
   * @param {Record<string, View>} views by the first word of the address
   */
  constructor(root, people, views) {
    this.root = root;
    this.root.replaceChildren(); // lit-html adds, and the page says that it starts
    this.people = people;
    this.views = views;
    /** @type {Phone | null} */
    this.phone = null;
    /** @type {Keeper | null} */
    this.keeper = null;
    /** @type {Json | null} */
    this.me = null;
    this.words = new Words(remembered() ?? chosen(navigator.languages));
    /** @type {Json} */
    this.form = {};
    /** @type {{text: string, kind: "status" | "alert"} | null} */
    this.notice = null;
    this.toldAt = 0;
    /** Takes the new version of the app, where one waits. @type {(() => void) | null} */
    this.update = null;
    this.place = "";
    /** How much waits for whom. */
    this.counts = { unsent: 0, inbox: 0 };
    this.drawing = false;
    this.drawAgain = false;
  }

  /** @param {Phone | null} phone */
  async begin(phone) {
    this.keeper?.stop();
    this.phone = phone;
    this.keeper = null;
    this.me = null;
    if (phone) {
      this.keeper = new Keeper(
        phone,
        () => this.draw(),
        (result) => this.#judged(result),
      );
      this.keeper.start();
    }
    await this.moved();
  }

  /** @returns {Phone} of the person who is logged in */
  get own() {
    if (!this.phone) throw new Error("nobody is logged in");
    return this.phone;
  }

  /** @returns {[string, string]} name of the view, and the id that it is about */
  get route() {
    if (!this.phone) return ["login", ""];
    const [name = "", id = ""] = location.hash.replace(/^#\//, "").split("/");
    return name in this.views ? [name, decodeURIComponent(id)] : ["today", ""];
  }

  /** The address has changed: another view, with a fresh form, and the focus on its heading. */
  async moved() {
    const place = this.route.join("/");
    const another = place !== this.place;
    this.place = place;
    if (another) this.form = {};
    // What was just said of one place is read in the next; older words are not about it.
    if (another && this.notice && Date.now() - this.toldAt > 2_000) this.notice = null;
    await this.draw();
    if (!another) return;
    scrollTo(0, 0);
    /** @type {HTMLElement | null} */ (this.root.querySelector("h1"))?.focus({ preventScroll: true });
  }

  /** @param {string} hash */
  go(hash) {
    if (location.hash === hash) void this.moved();
    else location.hash = hash;
  }

  /** Read and show; asked while it does, once more. */
  async draw() {
    if (this.drawing) {
      this.drawAgain = true;
      return;
    }
    this.drawing = true;
    try {
      do {
        this.drawAgain = false;
        await this.#draw();
      } while (this.drawAgain);
    } finally {
      this.drawing = false;
    }
  }

  async #draw() {
    if (this.keeper?.standing.wiped) return this.#leave();
    if (this.phone) await this.#know(this.phone);
    const [name, id] = this.route;
    const view = /** @type {View} */ (this.views[name]);
    const data = await view.load(this, id);
    if (this.route.join("/") !== [name, id].join("/")) {
      this.drawAgain = true; // somebody went on meanwhile
      return;
    }
    document.documentElement.lang = this.words.language;
    document.title = `${this.words.say(view.title)} · Fieldmerge`;
    render(frame(this, name, view, view.show(this, data)), this.root);
    this.root.dataset["place"] = [name, id].filter(Boolean).join("/");
  }

  /** @param {Phone} phone */
  async #know(phone) {
    this.me ??= await phone.get("user", (await phone.store.read("user_id")) ?? "");
    const zone = this.me?.["time_zone"] || undefined;
    if (zone !== this.words.zone) this.words = new Words(this.words.language, zone);
    const conflicts = await phone.list("conflict");
    const approvals = await phone.list("approval");
    const refused = (await phone.refusals()).length;
    const open = conflicts.filter((one) => one["state"] === "open").length;
    const asked = approvals.filter((one) => this.isAsked(one)).length;
    this.counts = { unsent: await phone.store.unsentCount(), inbox: open + asked + refused };
    this.clockAheadMs = (await phone.store.read("clock_ahead_ms")) ?? 0;
    this.heardAt = await phone.store.read("heard_at");
    this.budget = await phone.store.read("budget");
  }

  /**
   * Say what became of own work, unless all of it was just taken.
   *
   * @param {import("../engine/phone.js").Result} result
   */
  #judged({ verdicts }) {
    const count = (/** @type {string[]} */ ...those) => verdicts.filter((one) => those.includes(one.status)).length;
    const taken = count("applied");
    if (taken === verdicts.length) {
      // "Will be sent" is not true any longer.
      if (this.notice?.text === this.words.say("saved.offline")) this.hush();
      return;
    }
    /** @type {[Key, number][]} */
    const counts = [
      ["sync.result.applied", taken],
      ["sync.result.merged", count("merged", "superseded")],
      ["sync.result.conflict", count("conflict")],
      ["sync.result.rejected", count("rejected")],
    ];
    const parts = counts.filter(([, n]) => n).map(([key, n]) => this.words.say(key, { n }));
    this.tell(this.words.say("sync.result", { parts: parts.join(" · ") }));
  }

  /** The server locked this device out, and everything on it is gone. */
  async #leave() {
    const { phone } = this;
    this.keeper?.stop();
    this.keeper = null;
    this.phone = null;
    this.place = "";
    if (phone) {
      const [, userId = ""] = phone.name.split(" ");
      await this.people.forget(phone, userId);
    }
    this.tell(this.words.say("wiped"), "alert");
  }

  /** @returns {number} now, by the server's clock as far as the phone knows it */
  now() {
    return Date.now() - (this.clockAheadMs ?? 0);
  }

  /**
   * @param {Json} approval
   * @returns {boolean} whether it waits for this person
   */
  isAsked(approval) {
    const step = approval["steps"].find((/** @type {Json} */ one) => one["status"] === "active");
    return approval["status"] === "pending" && step?.["assignee_id"] === this.me?.["id"];
  }

  /** @param {Language} language */
  speak(language) {
    localStorage.setItem("language", language);
    this.words = new Words(language, this.words.zone);
    void this.draw();
  }

  /**
   * @param {string} text
   * @param {"status" | "alert"} kind
   */
  tell(text, kind = "status") {
    this.notice = { text, kind };
    this.toldAt = Date.now();
    void this.draw();
  }

  hush() {
    this.notice = null;
    void this.draw();
  }

  /**
   * Do something that is written to the store, and say "saved" only when it is there.
   *
   * @param {() => Promise<unknown>} act gives false where nothing was changed
   * @returns {Promise<boolean>} whether it is saved; if not, the form still has all that was typed
   */
  async save(act) {
    const { words } = this;
    try {
      if ((await act()) === false) {
        this.tell(words.say("saved.nothing"));
        return true;
      }
    } catch (error) {
      this.tell(words.say(complaint(error)), "alert");
      return false;
    }
    this.tell(words.say(this.keeper?.standing.reached ? "saved" : "saved.offline"));
    this.keeper?.soon();
    return true;
  }
}

/**
 * @param {unknown} error
 * @returns {Key}
 */
function complaint(error) {
  if (isFull(error)) return "save.full";
  if (error instanceof TooLarge) return "save.too_large";
  if (error instanceof LockedOut) return "save.locked";
  console.error(error);
  return "save.failed";
}

/** @returns {Language | null} */
function remembered() {
  const language = localStorage.getItem("language");
  return language === "ko" || language === "en" ? language : null;
}
