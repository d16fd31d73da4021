// Distributions of a run beside its problems. Each line is a link that filters them.
import { h, put } from "./dom.js";
import { compact, count, interval, percent } from "./format.js";
import { OUTCOMES } from "./pieces.js";

const LONG_LIST = 8;
const WIDE = 1000;
const ORDER = Object.keys(OUTCOMES);

/**
 * The distributions of a run.
 * @returns {{element: Element, draw: function}} `draw(run, query)` shows a run; the query says which lines are in use
 */
export function facetList() {
  const element = h("aside", { class: "facets", "aria-label": "Distributions; each line filters the problems" });
  const expanded = new Set();
  let folded = null; // names of the groups that the reader folded

  const group = (name, title, lines, note) => {
    if (!lines.length) return null;
    const isLong = lines.length > LONG_LIST + 2 && !expanded.has(name);
    const expand = () => {
      expanded.add(name);
      list.replaceChildren(...lines);
    };
    const more = isLong && h("li", null, h("button", { class: "small", onclick: expand },
      `${lines.length - LONG_LIST} more`));
    const list = h("ul", null, isLong ? lines.slice(0, LONG_LIST) : lines, more);
    return h("details", { "data-name": name, open: folded ? !folded.has(name) : window.innerWidth > WIDE },
      h("summary", null, title), note && h("p", { class: "quiet" }, note), list);
  };

  /** A group whose lines are bars relative to the longest. */
  const counted = (name, title, rows, number, facet) => {
    const most = Math.max(1, ...rows.map((one) => one[number]));
    return group(name, title, rows.map((one) => line({ number: one[number], share: one[number] / most, ...facet(one) })));
  };

  let query = new URLSearchParams();
  const line = (facet) => facetLine(facet, query);

  function draw(run, newQuery) {
    query = newQuery;
    const focused = document.activeElement?.dataset?.key;
    if (element.hasChildNodes()) {
      folded = new Set([...element.querySelectorAll("details:not([open])")].map((one) => one.dataset.name));
    }
    const outcomes = (run.outcomes ?? []).toSorted((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
    const domains = run.domains?.length > 1 ? run.domains : [];
    const versions = run.versions?.length > 1 ? run.versions : [];
    put(element,
      counted("rates", "Problems by pass rate", sortedRanges(run.pass_rates ?? []), "problems", (one) => (
        { label: one.range, filter: rateFilter(one.range) })),
      group("domains", "Domains", domains.map((one) => line({
        label: one.name, number: one.problems, share: one.known ? one.right / one.known : null,
        more: `${percent(one.known ? one.right / one.known : null)} right · ${compact(one.kept)} kept`,
        filter: { domain: one.name } })), "The bar is the share of right rollouts."),
      counted("outcomes", "Verdicts", outcomes, "count", (one) => (
        { label: OUTCOMES[one.name]?.text ?? one.name, filter: { outcome: one.name } })),
      counted("dropped", "Why responses were dropped", run.dropped ?? [], "count", (one) => (
        { label: one.stage.replaceAll("_", " "), title: one.meaning, filter: { dropped: one.stage } })),
      counted("reasons", "The verifier's reasons", run.reasons ?? [], "count", (one) => (
        { label: one.text, filter: { reason: one.text } })),
      group("versions", "Model versions", versions.map((one) => line({ label: one, share: null,
        filter: { version: one } }))));
    if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  return { element, draw };
}

/** A line with its bar: a link that sets its filter, or takes it away where it is set. */
function facetLine({ label, number, share, more, title, filter }, query) {
  const url = new URL(location.href);
  const isOn = Object.entries(filter).every(([key, wanted]) => (query.get(key) ?? "") === (wanted ?? ""));
  url.searchParams.delete("offset");
  for (const [key, wanted] of Object.entries(filter)) {
    if (isOn || wanted === null) url.searchParams.delete(key);
    else url.searchParams.set(key, wanted);
  }
  return h("li", null, h("a", {
    href: url.pathname + url.search, class: "facet", vars: { "--share": share ?? 0 },
      "aria-current": isOn ? "true" : null,
    "data-key": `facet ${Object.keys(filter)[0]} ${label}`, title: title ?? (label.length > 30 ? label : null) },
  h("span", { class: "name" }, h("bdi", null, label)),
  number !== undefined && h("span", { class: "number" }, count(number)), more && h("small", null, more)));
}

/** The ranges from 0% to 100%; "0%" is before "0-20%". */
const sortedRanges = (rates) => rates.toSorted((a, b) => parseFloat(a.range) - parseFloat(b.range)
  || a.range.length - b.range.length);

/** Turns "20-40%" into the filter of that range, which is without 0% and 100% and without its upper end. */
function rateFilter(range) {
  const [low, high] = range.replace("%", "").split("-").map((one) => Number(one) / 100);
  if (high === undefined) return low ? { min_rate: "1", max_rate: null } : { min_rate: null, max_rate: "0" };
  return { min_rate: String(low || 0.0001), max_rate: String((high - 0.0001).toFixed(4)) };
}

/** A range of pass rates in words, as `rateFilter` makes it or as a user wrote it. */
export function rateText(low, high) {
  if (low && high) return interval(Number(low), Number(high));
  if (high) return Number(high) === 0 ? "0%" : `at most ${percent(Number(high))}`;
  return Number(low) === 1 ? "100%" : `at least ${percent(Number(low))}`;
}
