/**
 * The service worker: keeps the files of one version of the app, and gives them whether there is a network or not.
 * It never touches /api/: data are the app's, in IndexedDB, each person's apart.
 */

importScripts("precache.js"); // PRECACHE: { version, files }; a change of it is a new version of this worker

const CACHE = `fieldmerge ${self.PRECACHE.version}`;
const scope = new URL("./", self.location.href);

self.addEventListener("install", (event) => {
  // All or nothing: half of a new version beside half of an old one would be neither.
  // What the page has just loaded is asked for again by its ETag only: nobody pays for the first load twice.
  const requests = self.PRECACHE.files.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

// A new version waits until its person wants it: nobody is reloaded in the middle of a sentence.
self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  if (url.pathname.slice(scope.pathname.length).startsWith("api/")) return;
  const wanted = event.request.mode === "navigate" ? scope.href : event.request;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(wanted, { ignoreSearch: true, ignoreVary: true }))
      .then((found) => found ?? fetch(event.request)),
  );
});
