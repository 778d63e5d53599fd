/** The service worker: registered once, and a new version of it offered, never forced. */

const CHECK_EVERY_MS = 60 * 60_000;

/**
 * @param {(take: () => void) => void} offer told of a new version that waits, and how to take it
 */
export async function keepWorking(offer) {
  if (!("serviceWorker" in navigator)) return;
  // The page that asked for the new version is opened anew; in other tabs the old one works on until they are closed.
  let asked = false;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (asked) location.reload();
  });
  /** @type {ServiceWorkerRegistration} */
  let registration;
  try {
    registration = await navigator.serviceWorker.register(/** @type {any} */ (address()), { updateViaCache: "none" });
  } catch (error) {
    console.error(error); // a private window, perhaps: the app works as long as there is a network
    return;
  }
  const ask = () => {
    const { waiting } = registration;
    if (!waiting || !navigator.serviceWorker.controller) return;
    offer(() => {
      asked = true;
      waiting.postMessage("take over");
    });
  };
  ask();
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", ask);
  });
  const look = () => navigator.onLine && registration.update().catch(() => {});
  setInterval(look, CHECK_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
}

/** @returns {unknown} the worker's address, by the one policy that may name it (Content-Security-Policy) */
function address() {
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (!types) return "sw.js";
  return types.createPolicy("fieldmerge", { createScriptURL: () => "sw.js" }).createScriptURL("");
}
