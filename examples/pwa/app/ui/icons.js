/** The pictures of the menu; each stands beside its word. */

import { svg } from "../vendor/lit-html/lit-html.js";

/** @type {Record<string, unknown>} */
export const icons = {
  today: svg`<path d="M7 3v3M17 3v3M4 9h16M5 5h14a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z" />`,
  customers: svg`<path d="M4 20V6l7-3v17M11 9l9 3v8M2 20h20M7 9h1M7 13h1M15 15h1" />`,
  knowledge: svg`<path d="M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21" />`,
  inbox: svg`<path d="M4 13l3-9h10l3 9v6a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1zM4 13h5l1 3h4l1-3h5" />`,
  settings: svg`<path d="M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z" />`,
  back: svg`<path d="M15 5l-7 7 7 7" />`,
  sync: svg`<path d="M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5" />`,
  offline: svg`<path d="M3 3l18 18M8.5 15.5a5 5 0 0 1 7 0M5 12a10 10 0 0 1 5-2.7M19 12a10 10 0 0 0-4-2.4M12 19.5h.01" />`,
};
