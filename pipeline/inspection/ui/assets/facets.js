// Distributions of a run beside its problems. Each line is a link that filters them.
import { h, put } from "./dom.js";
import { compact, count, interval, percent } from "./format.js";
import { OUTCOMES } from "./pieces.js";

const LONG_LIST = 8;

/** Draws the distributions of `run` into `element`; `query` says which lines are in use. */
export function facets(element, run, query) {
  const most = (rows, key) => Math.max(1, ...rows.map((one) => one[key]));
  const opened = new Set([...element.querySelectorAll("details[open]")].map((one) => one.dataset.name));
  const isFirst = !element.hasChildNodes();
  const group = (name, title, rows, note) => rows.length > 0 && h("details",
    { "data-name": name, open: isFirst ? window.innerWidth > 900 : opened.has(name) }, h("summary", null, title),
      note && h("p", { class: "quiet" }, note), longList(rows));
  const rates = sortedRanges(run.pass_rates ?? []), domains = run.domains ?? [], dropped = run.dropped ?? [],
    reasons = run.reasons ?? [];
  const outcomes = Object.keys(OUTCOMES).flatMap((name) => (run.outcomes ?? []).filter((one) => one.name === name)),
    versions = run.versions ?? [];
  const line = (facet) => facetLine(facet, query);
  put(element,
    group("rates", "Problems by pass rate", rates.map((one) => line({
      label: one.range, number: one.problems, share: one.problems / most(rates, "problems"),
        filter: rateFilter(one.range) }))),
    domains.length > 1 && group("domains", "Domains", domains.map((one) => line({
      label: one.name, number: one.problems, share: one.known ? one.right / one.known : null, isRate: true,
      more: `${one.known ? percent(one.right / one.known) : "–"} right · ${compact(one.kept)} kept`,
        filter: { domain: one.name } })), "The bar is the share of right rollouts."),
    group("outcomes", "Verdicts", outcomes.map((one) => line({
      label: OUTCOMES[one.name]?.text ?? one.name, mark: one.name, number: one.count,
        share: one.count / most(outcomes, "count"), filter: { outcome: one.name } }))),
    group("dropped", "Why responses were dropped", dropped.map((one) => line({
      label: one.stage.replaceAll("_", " "), number: one.count, share: one.count / most(dropped, "count"),
        filter: { dropped: one.stage } }))),
    group("reasons", "Reasons of verdicts", reasons.map((one) => line({
      label: one.text, number: one.count, share: one.count / most(reasons, "count"),
        filter: { reason: one.text } }))),
    versions.length > 1 && group("versions", "Model versions", versions.map((one) => line({ label: one, share: null,
      filter: { version: one } }))));
}

function longList(lines) {
  if (lines.length <= LONG_LIST + 2) return h("ul", null, lines);
  const more = h("li", null,
    h("button", { class: "small", onclick: () => more.replaceWith(...lines.slice(LONG_LIST)) },
    `${lines.length - LONG_LIST} more`));
  return h("ul", null, lines.slice(0, LONG_LIST), more);
}

function facetLine({ label, number, share, more, mark, isRate, filter }, query) {
  const [key, value] = Object.entries(filter)[0];
  const url = new URL(location.href);
  const isOn = Object.entries(filter).every(([one, wanted]) => (query.get(one) ?? "") === (wanted ?? ""));
  url.searchParams.delete("offset");
  for (const [one, wanted] of Object.entries(filter)) {
    if (isOn || wanted === null) url.searchParams.delete(one);
    else url.searchParams.set(one, wanted);
  }
  return h("li", null,
    h("a", { href: url.pathname + url.search, class: `facet ${mark ?? ""} ${isRate ? "is-rate" : ""}`,
    vars: { "--share": share ?? 0 }, "aria-current": isOn ? "true" : null,
    "data-key": `facet ${key} ${value} ${label}`, title: label.length > 30 ? label : null },
  h("span", { class: "name" }, h("bdi", null, label)),
    number === undefined ? null : h("span", { class: "number" }, count(number)), more && h("small", null, more)));
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
