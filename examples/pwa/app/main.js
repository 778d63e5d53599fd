/** Starts the app. Everything it needs is loaded here at once: nothing is missing later, without a network. */

import { People } from "./engine/people.js";
import { App } from "./ui/app.js";
import { approval } from "./ui/approval.js";
import { conflict } from "./ui/conflict.js";
import { customer, customers, editCustomer } from "./ui/customers.js";
import { inbox } from "./ui/inbox.js";
import { article, knowledge } from "./ui/knowledge.js";
import { again, login } from "./ui/login.js";
import { newOrder, order } from "./ui/order.js";
import { settings } from "./ui/settings.js";
import { today } from "./ui/today.js";
import { visit } from "./ui/visit.js";
import { keepWorking } from "./worker.js";

const views = {
  login, again, today, customers, customer, edit: editCustomer, visit, order, "new-order": newOrder,
  knowledge, article, inbox, conflict, approval, settings,
};

const people = await People.open();
const app = new App(/** @type {HTMLElement} */ (document.getElementById("app")), people, views);
addEventListener("hashchange", () => app.moved());
// Somebody else has logged in, or out, in another tab: this one must not go on as who is gone.
const doors = new BroadcastChannel("fieldmerge doors");
doors.addEventListener("message", () => location.reload());
people.moved = () => doors.postMessage("moved");
await app.begin(await people.current());
await keepWorking((update) => {
  app.update = update;
  void app.draw();
});
