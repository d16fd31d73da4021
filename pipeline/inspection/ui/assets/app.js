// The shell of every page: which page a URL shows, links inside the pages, the theme, and the keys.
import { h, put, errorBox, openDialog } from "./dom.js";
import { go, onNavigate } from "./navigation.js";
import * as runs from "./runs.js";
import * as run from "./run.js";
import * as problem from "./problem.js";
import * as compare from "./compare.js";

const ROUTES = [
  [/^\/$/, runs],
  [/^\/runs\/([^/]+)\/?$/, run],
  [/^\/runs\/([^/]+)\/problems\/([^/]+)\/?$/, problem],
  [/^\/compare\/?$/, compare],
];
const THEMES = ["light dark", "light", "dark"];
const THEME_NAMES = { "light dark": "system", light: "light", dark: "dark" };
const KEYS = [
  ["?", "these keys"], ["/", "go to the search field"], ["g", "go to the list of runs"],
  ["↑ ↓ Enter", "in a list, or from the search field: choose a row, open it"], ["[ ]", "previous, next problem or page"],
  ["← → ↑ ↓", "in a tree: parent, first child, neighbours"],
    ["Enter", "in a tree: open or fold the branches of a step"],
  ["Home", "in a tree: the prompt"], ["+ − 0", "in a tree: zoom in, zoom out, fit"],
  ["Ctrl + wheel, drag", "in a tree: zoom, move"], ["Esc", "close what is open"],
];

let page = null;
let shown = null;

async function show(scroll) {
  const main = document.getElementById("main");
  const query = new URLSearchParams(location.search);
  if (page && shown === location.pathname) return page.update(query);
  page?.close?.();
  shown = location.pathname;
  const [pattern, module] = ROUTES.find(([one]) => one.test(location.pathname)) ?? [/$/, null];
  const parts = location.pathname.match(pattern).slice(1).map(decodeURIComponent);
  const root = h("div", { class: "page" });
  put(main, root);
  page = null;
  if (!module) return put(root, h("h1", null, "No page"),
    errorBox(new Error(`there is no page ${location.pathname}`)));
  page = module.open(root, parts, query);
  const opened = page;
  await page.ready?.catch((error) => error.name !== "AbortError"
    && put(root, h("h1", null, parts.at(-1) ?? "Compare"), errorBox(error)));
  if (opened === page && scroll !== null) {
    // Whoever types already, while the page still reads, goes on typing.
    if (!root.contains(document.activeElement)) main.focus({ preventScroll: true });
    window.scrollTo(0, scroll);
  }
}

function setTheme(theme) {
  document.documentElement.style.colorScheme = theme;
  localStorage.setItem("berry-theme", theme);
  const button = document.getElementById("theme");
  put(button, `Theme: ${THEME_NAMES[theme]}`);
  button.onclick = () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
}

function showKeys() {
  if (document.querySelector("dialog")) return;
  openDialog("Keys", h("dl", { class: "keys" }, KEYS.map(([key, text]) =>
    [h("dt", null, h("kbd", null, key)), h("dd", null, text)])));
}

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const follow = (selector) => document.querySelector(selector)?.click();
  if (event.key === "?") showKeys();
  else if (event.key === "/") document.querySelector("input[type=search]")?.focus();
  else if (event.key === "g") go("/");
  else if (event.key === "[") follow("[rel=prev]");
  else if (event.key === "]") follow("[rel=next]");
  else if (event.key === "Escape") follow("[data-closes]");
  else return;
  event.preventDefault();
}

function onClick(event) {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey
    || event.altKey) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || url.hash || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  go(url);
}

put(document.getElementById("top"),
  h("a", { href: "/", class: "brand" }, "berry"), h("nav", { id: "crumbs", "aria-label": "Where you are" }),
  h("button", { id: "theme", class: "small" }), h("button", { class: "small", onclick: showKeys,
    "aria-label": "Keys" }, "?"));
setTheme(THEMES.includes(localStorage.getItem("berry-theme")) ? localStorage.getItem("berry-theme") : THEMES[0]);
document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);
onNavigate(show);
history.scrollRestoration = "manual";
window.addEventListener("popstate", (event) => show(event.state?.scroll ?? 0));
window.addEventListener("pagehide", () => history.replaceState({ ...history.state, scroll: window.scrollY }, ""));
show(history.state?.scroll ?? 0);
