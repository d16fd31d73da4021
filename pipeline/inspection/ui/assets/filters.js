// Search and filters of the problems of a run. The query string is their only state.
import { h, put } from "./dom.js";
import { goQuery } from "./navigation.js";
import { rateText } from "./facets.js";
import { OUTCOMES } from "./pieces.js";

/** The keys of the query string that choose problems. */
export const FILTERS = ["q", "domain", "min_rate", "max_rate", "outcome", "kept", "dropped", "reason", "version",
  "judged"];
const PAUSE = 250;
const KEPT = [["yes", "has a survivor"], ["no", "has none"]];
const JUDGED = [["yes", "judged"], ["no", "not judged"], ["differs", "differs from the verifier"]];
const VERDICTS = [...Object.entries(OUTCOMES).map(([name, one]) => [name, one.text]), ["none", "not judged"]];

/** The filters of a query string as plain values, without page and sort. */
export function chosen(query) {
  return Object.fromEntries(FILTERS.filter((key) => query.get(key)).map((key) => [key, query.get(key)]));
}

/** The filters in words: [[text, keys that it stands for], ...]. */
export function inWords(query) {
  const { q, min_rate, max_rate, ...rest } = chosen(query);
  const lists = { outcome: VERDICTS, kept: KEPT, judged: JUDGED };
  const titles = { domain: "domain", outcome: "a response that", kept: "problem", dropped: "dropped by",
    reason: "verdict says", version: "model", judged: "by people" };
  const words = Object.entries(rest).map(([key, value]) => [
    `${titles[key]}: ${lists[key]?.find(([one]) => one === value)?.[1] ?? value.replaceAll("_", " ")}`, [key]]);
  if (min_rate || max_rate) words.unshift([`pass rate: ${rateText(min_rate, max_rate)}`, ["min_rate", "max_rate"]]);
  if (q) words.unshift([`text: ${q}`, ["q"]]);
  return words;
}

/** The form and its chips. `setRun` fills the choices from a run, `show` sets all from a query string. */
export function filterBar() {
  const search = h("input", { type: "search", name: "q", placeholder: "Search text, id or gold answer",
    "aria-label": "Search text, id or gold answer" });
  const fields = {
    domain: select([]), min_rate: rate(), max_rate: rate(), outcome: select(VERDICTS), kept: select(KEPT),
    dropped: select([]), reason: h("input", { type: "text" }), version: select([]), judged: select(JUDGED),
  };
  const labels = { domain: "Domain", min_rate: "Pass rate from, %", max_rate: "to, %", outcome: "Has a response that",
    kept: "Problem", dropped: "Dropped by", reason: "Verdict says", version: "Model version", judged: "By people" };
  const chips = h("ul", { class: "chips", "aria-label": "Filters in use" });
  const more = h("details", { class: "more" }, h("summary", null, "Filters"),
    h("div", { class: "fields" }, Object.entries(fields).map(([key, field]) =>
      h("label", null, labels[key], field))));
  let query = new URLSearchParams();
  let timer = null;
  const find = () => {
    // The reader may have left the page.
    if (search.isConnected) goQuery({ q: search.value, offset: null }, { replace: Boolean(query.get("q")) });
  };
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE);
  });
  search.addEventListener("keydown", (event) => {
    const first = event.key === "ArrowDown" && document.querySelector("tbody a.cover");
    if (!first) return;
    event.preventDefault();
    first.focus();
  });
  for (const [key, field] of Object.entries(fields)) {
    const value = () => (key.endsWith("_rate") ? fraction(field.value) : field.value);
    field.addEventListener("change", () => goQuery({ [key]: value(), offset: null }));
  }
  const element = h("form", { class: "filters", role: "search", "aria-label": "Problems",
    onsubmit: (event) => event.preventDefault() }, h("div", { class: "bar" }, search, more), chips);

  function show(newQuery) {
    query = newQuery;
    if (document.activeElement !== search) search.value = query.get("q") ?? "";
    for (const [key, field] of Object.entries(fields)) {
      set(field, key.endsWith("_rate") ? percentage(query.get(key)) : (query.get(key) ?? ""));
    }
    const words = inWords(query);
    const chip = ([text, keys]) => h("li", null,
      h("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${text}`, onclick: () => clear(keys) },
        h("bdi", null, text.length > 60 ? `${text.slice(0, 60)}…` : text), h("span", { "aria-hidden": "true" }, " ×")));
    const all = h("li", null, h("button", { type: "button", class: "small", onclick: () => clear(FILTERS) }, "Clear all"));
    put(chips, words.map(chip), words.length > 1 && all);
    chips.hidden = !words.length;
  }
  const clear = (keys) => {
    goQuery(Object.fromEntries([...keys, "offset"].map((key) => [key, null])));
    search.focus({ preventScroll: true });
    search.value = new URLSearchParams(location.search).get("q") ?? "";
  };
  const setRun = (run) => {
    refill(fields.domain, (run.domains ?? []).map((one) => [one.name, one.name]));
    refill(fields.dropped, (run.dropped ?? []).map((one) => [one.stage, one.stage.replaceAll("_", " ")]));
    refill(fields.version, (run.versions ?? []).map((one) => [one, one]));
    show(query);
  };
  return { element, show, setRun };
}

const rate = () => h("input", { type: "number", min: 0, max: 100, step: "any" });
const fraction = (text) => (text === "" ? null : String(Number(text) / 100));
const percentage = (text) => (text ? String(Math.round(Number(text) * 10000) / 100) : "");
const options = (choices) => [["", "any"], ...choices].map(([value, text]) => h("option", { value }, text));
const select = (choices) => h("select", null, options(choices));

function refill(field, choices) {
  const value = field.value;
  put(field, options(choices));
  set(field, value);
}

/** Sets a field, also to a value that is not among its choices: a shared link may name one. */
function set(field, value) {
  const isMissing = field.tagName === "SELECT" && ![...field.options].some((one) => one.value === value);
  if (isMissing && value) field.append(h("option", { value }, value));
  if (document.activeElement !== field || field.tagName === "SELECT") field.value = value;
}
