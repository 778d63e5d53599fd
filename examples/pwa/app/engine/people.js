/** Who uses this browser. Each person has a store of their own; nobody else's session sends what waits in it. */

/** @import {IDBPDatabase} from "../vendor/idb.js" */

import { deleteDB, openDB } from "../vendor/idb.js";
import { logIn, overHttp } from "./client.js";
import { APP_VERSION, Phone } from "./phone.js";
import { Store } from "./store.js";

/**
 * @typedef {object} Person
 * @property {string} user_id
 * @property {string} tenant
 * @property {string} login
 * @property {string} [device_id]
 * @property {number} unsent how much waited when they left
 */

/** Another tab, with an older or newer app, holds the tables. @type {() => void} */
const RELOAD = () => globalThis.location?.reload();

export class People {
  /**
   * @param {IDBPDatabase<any>} db
   * @param {import("./client.js").Send} send
   */
  constructor(db, send) {
    this.db = db;
    this.send = send;
    /** Told when somebody came or went. @type {() => void} */
    this.moved = () => {};
  }

  /** @param {import("./client.js").Send} [send] */
  static async open(send = overHttp) {
    const db = await openDB("fieldmerge", 1, {
      upgrade(made) {
        made.createObjectStore("people", { keyPath: "user_id" });
        made.createObjectStore("state");
      },
    });
    return new People(db, send);
  }

  /** @returns {Promise<Person[]>} */
  all() {
    return this.db.getAll("people");
  }

  /** @returns {Promise<Phone | null>} of who was logged in last, also when the session has ended since */
  async current() {
    const id = await this.db.get("state", "current");
    return id && (await this.db.get("people", id)) ? this.phone(id) : null;
  }

  /** @param {string} userId */
  async phone(userId) {
    const name = storeOf(userId);
    return new Phone(await Store.open(name, RELOAD), name, { send: this.send });
  }

  /**
   * Log somebody in, as a new device or as the one that they had here. What waits in their store stays, and what waits
   * in another person's is not touched.
   *
   * @param {string} tenant
   * @param {string} login
   * @param {string} password
   * @param {string} deviceName
   */
  async logIn(tenant, login, password, deviceName) {
    const known = (await this.all()).find((one) => one.tenant === tenant && one.login === login);
    const device = { name: deviceName, platform: "web", app_version: APP_VERSION };
    const who = { tenant, login, password, device: known?.device_id ? { ...device, id: known.device_id } : device };
    const answer = await logIn(who, this.send);
    const phone = await this.phone(answer["user_id"]);
    await phone.store.transaction(async (work) => {
      // A cursor is good for one device.
      if ((await work.read("device_id")) !== answer["device_id"]) await work.write("cursor", null);
      await work.write("device_id", answer["device_id"]);
      await work.write("user_id", answer["user_id"]);
      await work.write("tokens", { access: answer["access_token"], refresh: answer["refresh_token"] });
      for (const key of ["locked", "wiped"]) await work.write(key, null);
    });
    const tx = this.db.transaction(["people", "state"], "readwrite");
    await tx.objectStore("people").put({
      user_id: answer["user_id"],
      tenant,
      login,
      device_id: answer["device_id"],
      unsent: 0,
    });
    await tx.objectStore("state").put(answer["user_id"], "current");
    await tx.done;
    this.moved();
    return phone;
  }

  /**
   * End the session. The records leave this browser; what was not sent stays, for its author alone.
   *
   * @param {Phone} phone
   */
  async logOut(phone) {
    const userId = await phone.store.read("user_id");
    const unsent = await phone.store.unsentCount();
    await phone.client.call("POST", "/auth/logout").catch(() => {}); // without a network the tokens are just forgotten
    if (unsent) {
      await phone.store.transaction((work) => work.forgetRecords());
      phone.store.close();
      /** @type {Person | undefined} */
      const person = await this.db.get("people", userId);
      if (person) await this.db.put("people", { ...person, unsent });
    } else {
      await this.forget(phone, userId);
    }
    await this.db.delete("state", "current");
    this.moved();
  }

  /**
   * Leave nothing of a person here.
   *
   * @param {Phone} phone
   * @param {string} userId
   */
  async forget(phone, userId) {
    phone.store.close();
    await deleteDB(phone.name);
    await this.db.delete("people", userId);
  }
}

/** @param {string} userId */
export const storeOf = (userId) => `fieldmerge ${userId}`;
