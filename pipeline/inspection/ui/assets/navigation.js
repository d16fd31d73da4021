// Where the reader is: the address, the title, and the way back.
import { h, put } from "./dom.js";

let shows = async () => {};

/** Names the function that shows the page of the present address; it gets the place to scroll to, or null. */
export function onNavigate(show) {
  shows = show;
}

/**
 * Goes to a URL of this site.
 * @param {string} url
 * @param {{replace?: boolean}} [options] `replace` leaves no entry for the Back button.
 */
export async function go(url, { replace = false } = {}) {
  if (!replace) history.replaceState({ ...history.state, scroll: window.scrollY }, "");
  history[replace ? "replaceState" : "pushState"](replace ? history.state : {}, "", url);
  await shows(replace ? null : 0);
}

/** Replaces keys of the query string of the page that is shown; null removes a key. */
export function goQuery(changes, options) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  if (url.href !== location.href) go(url, options);
}

/** Sets the title and the way back, from the list of runs down to this page: [[text, URL], ...]. */
export function setPath(title, crumbs) {
  document.title = `${title} · berry`;
  put(document.querySelector("#crumbs"), [["runs", "/"], ...crumbs].map(([text, url], i) => [
    i ? h("span", { class: "quiet", "aria-hidden": "true" }, "/") : null,
    h("a", { href: url, "aria-current": url === location.pathname ? "page" : null }, text)]));
}
