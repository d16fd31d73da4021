// A run: what a reader must know before training on it, then its problems.
import { errorBox, h, put } from "./dom.js";
import { get, path } from "./api.js";
import { setPath } from "./navigation.js";
import { compact, count, interval, percent, plural, time } from "./format.js";
import { state, tile } from "./pieces.js";
import { facetList } from "./facets.js";
import { filterBar } from "./filters.js";
import { problemTable } from "./table.js";
import { selections } from "./selections.js";

const REFRESH = 3000, WHILE_READING = 250; // milliseconds

/** Opens the page `/runs/NAME`. */
export function open(root, [name], query) {
  const stop = new AbortController();
  const head = h("div"), saved = h("div"), trouble = h("div");
  const side = facetList();
  const bar = filterBar();
  const table = problemTable(name, stop.signal);
  const keep = selections(name, () => refresh());
  let timer = null;
  setPath(name, [[name, `/runs/${encodeURIComponent(name)}`]]);
  put(root, trouble, head, h("div", { class: "browse" }, side.element,
    h("section", { "aria-label": "Problems" }, bar.element, keep.element, table.element, saved)));

  let asked = query, shown = null;
  const refresh = async () => {
    clearTimeout(timer);
    try {
      const run = await get(path("runs", name), null, stop.signal);
      put(trouble);
      drawWith(run);
      const isReading = run.read && run.read.parts < run.read.of;
      if (isReading) timer = setTimeout(live, WHILE_READING);
      else if (run.state !== "complete") timer = setTimeout(live, REFRESH);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 404) put(root, h("h1", null, name), errorBox(error));
      else put(trouble, errorBox(error));
      if (!error.status) timer = setTimeout(live, REFRESH);
    }
  };
  const live = () => Promise.all([refresh(), table.load(asked, { quiet: true })]);
  function drawWith(run) {
    if (JSON.stringify(run) === JSON.stringify(shown)) return;
    shown = run;
    bar.setRun(run);
    put(head, heading(run));
    side.draw(run, asked);
    keep.list(saved, run.selections ?? []);
    table.setSorts(run.sorts ?? []);
  }
  const update = (newQuery) => {
    asked = newQuery;
    bar.show(newQuery);
    keep.show(newQuery);
    if (shown) side.draw(shown, newQuery);
    return table.load(newQuery);
  };
  return {
    ready: Promise.all([refresh(), update(query)]),
    update,
    close() {
      stop.abort();
      clearTimeout(timer);
    },
  };
}

function heading(run) {
  const people = run.people ?? {};
  const decided = (people.agree ?? 0) + (people.differ ?? 0);
  const reading = run.read && run.read.parts < run.read.of;
  return [
    h("div", { class: "title" }, h("h1", null, run.name), state(run.state),
      h("bdi", { class: "quiet" }, run.model ?? "model unknown"),
      h("span", { class: "quiet" }, time(run.created)), h("code", { class: "quiet" }, run.path)),
    concerns(run),
    h("dl", { class: "tiles" },
      tile("Survivors", count(run.kept), `from ${count(run.solved)} of ${plural(run.problems ?? null, "problem")}`),
      tile("Expected to be flawed", percent(run.flawed_fraction, 1),
        "survivors with a wrong step, judging from rollouts"),
      decided
        ? tile("People agree with the verifier", percent(people.agree / decided),
          `95% interval ${interval(people.low, people.high)}; ${count(people.agree)} of ${count(decided)}${people.unsure ? `, ${count(people.unsure)} unsure` : ""}`)
        : tile("People agree with the verifier", "–",
          people.unsure ? `${count(people.unsure)} judged, all unsure` : "nobody has judged a response yet"),
      tile("Rollouts that are right", percent(run.known ? run.right / run.known : null, 1),
        `${count(run.right)} of ${count(run.known)} with a known outcome; ${compact(run.tokens)} tokens`),
      tile("Problems", count(run.problems), progress(run))),
    run.error && h("p", { class: "error", role: "alert" }, h("strong", null, "Not readable: "), run.error),
    run.damage?.map((one) => h("p", { class: "warning" }, one)),
    reading && h("p", { class: "quiet", role: "status" },
      `Reading the run: ${count(run.read.parts)} of ${plural(run.read.of, "part")}. Counts below grow until it is done.`),
  ];
}

/** Whether to train on the data, and what speaks against it: the first thing to know. */
function concerns(run) {
  const { level, text, findings } = run.concerns;
  const report = run.has_report && h("a", { href: `/runs/${encodeURIComponent(run.name)}/report`, target: "_blank",
    rel: "noopener" }, "Open the report");
  return h("details", { class: `concerns ${level}`, open: level === "stop" },
    h("summary", null, h("b", null, text), h("small", null, ` ${plural(findings.length, "finding")}`)),
    h("ul", { class: "plain" }, findings.map((one) => h("li", null, h("b", { class: one.level }, one.level), " ", one.text,
      (one.command || one.advice) && [" ", one.command && h("code", null, one.command), one.command && " ", one.advice]))),
    h("p", null, report || h("span", { class: "quiet" }, "No report yet: ", h("code", null, `berry report ${run.path}`))));
}

function progress(run) {
  if (run.state === "complete") {
    return run.total > run.problems ? `of ${count(run.total)} in the set; duplicates and bad rows are left out`
      : "all of the set";
  }
  return run.total ? `of ${count(run.total)} in the set (${percent(run.problems / run.total)})`
    : "size of the set unknown";
}
