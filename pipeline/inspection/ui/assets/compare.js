// Two runs side by side, then the problems of both.
import { errorBox, h, put } from "./dom.js";
import { get, path } from "./api.js";
import { goQuery, setPath } from "./navigation.js";
import { brief, compact, count, known, percent, plural, points } from "./format.js";
import { pager, rateBar } from "./pieces.js";

const PAGE = 50;
const KEYS = ["a", "b", "only", "sort", "descending", "offset"];
const ONLY = [["", "all"], ["both", "in both"], ["a", "only in the first"], ["b", "only in the second"]];
const SORTS = [["difference", "difference"], ["rate_a", "rate of the first"], ["rate_b", "rate of the second"],
  ["text", "text"]];

/** Opens the page `/compare?a=NAME&b=NAME`. */
export function open(root, _parts, query) {
  const stop = new AbortController();
  setPath("Compare", [["compare", location.pathname]]);
  const load = async (newQuery) => {
    const wanted = KEYS.filter((key) => newQuery.get(key)).map((key) => [key, newQuery.get(key)]);
    const answer = await get(path("compare"), [...wanted, ["limit", PAGE]], stop.signal);
    const focused = document.activeElement?.dataset?.key;
    put(root, h("h1", null, `${answer.a.name} and ${answer.b.name}`), totals(answer), tools(answer, newQuery),
      table(answer));
    if (focused) root.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };
  const update = (newQuery) => load(newQuery).catch((error) => error.name === "AbortError" || put(root, errorBox(error)));
  return { ready: load(query), update, close: () => stop.abort() };
}

function totals({ a, b, both, only_a, only_b, mean_difference, low, high, complete }) {
  const row = (label, cell) => h("tr", null, h("th", { scope: "row" }, label),
    [a, b].map((one) => h("td", { class: "number" }, cell(one))));
  const range = known(low) ? ` (95% interval ${points(low)} to ${points(high)})` : "";
  const difference = known(mean_difference)
    ? [h("b", null, `${points(mean_difference)} points`),
      ` is the mean difference in pass rate, ${b.name} minus ${a.name}${range}. `]
    : "No problem in both has a known pass rate. ";
  const title = (one) => h("th", { scope: "col", class: "number" }, h("a",
    { href: `/runs/${encodeURIComponent(one.name)}` }, one.name));
  return h("div", { class: "totals" },
    h("p", { class: "lead" }, difference,
      `${plural(both, "problem")} in both, ${count(only_a)} only in ${a.name}, ${count(only_b)} only in ${b.name}.`,
      complete === false && " Counts grow until both runs are read."),
    h("table", null, h("thead", null, h("tr", null, h("td"), title(a), title(b))),
      h("tbody", null,
        row("Model", (one) => one.model ?? "–"),
        row("Problems", (one) => count(one.problems)),
        row("Solved", (one) => `${count(one.solved)} (${percent(one.problems ? one.solved / one.problems : null)})`),
        row("Survivors", (one) => count(one.kept)),
        row("Rollouts", (one) => count(one.rollouts)),
        row("Tokens", (one) => compact(one.tokens)))));
}

function tools({ matched }, query) {
  const select = (id, choices, value) => h("select", { "data-key": id,
    onchange: (event) => goQuery({ [id]: event.target.value, offset: null }) },
    choices.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  const isDescending = query.get("descending") === "1";
  const offset = Number(query.get("offset") ?? 0);
  return h("div", { class: "bar tools" }, h("p", { role: "status" }, h("b", null, plural(matched, "problem"))),
    h("span", { class: "push" }),
    h("label", null, "Show ", select("only", ONLY, query.get("only") ?? "")),
    h("label", null, "Sort by ", select("sort", SORTS, query.get("sort") ?? "difference")),
    h("button", { "data-key": "turn", class: "small",
      onclick: () => goQuery({ descending: isDescending ? null : "1", offset: null }) },
      isDescending ? "↓ descending" : "↑ ascending"),
    pager({ offset, size: PAGE, matched }, (to) => goQuery({ offset: to })));
}

function table({ a, b, rows }) {
  if (!rows.length) return h("p", { class: "empty" }, "No problem to show.");
  const url = (run, id) => `/runs/${encodeURIComponent(run.name)}/problems/${encodeURIComponent(id)}`;
  const cell = (name, ...children) => h("td", { role: "cell", class: name }, children);
  const side = (run, id, one) => {
    if (!one) return cell("side", h("span", { class: "quiet" }, h("span", { class: "unit" }, `${run.name} `),
      "not in it"));
    const label = `${percent(one.rate)}: tree of this problem in ${run.name}`;
    return cell("side", h("span", { class: "unit" }, `${run.name} `), rateBar(one.rate),
      h("a", { href: url(run, id), "aria-label": label }, percent(one.rate)),
      h("small", null, ` ${count(one.right)}/${count(one.known)}, ${count(one.kept)} kept`));
  };
  const drawn = (row) => h("tr", { role: "row" },
    cell("problem", h("bdi", null, brief(row.problem ?? "", 200))),
    cell("domain", h("bdi", null, row.domain ?? "–")),
    side(a, row.problem_id, row.a), side(b, row.problem_id, row.b),
    cell(`difference number ${row.difference > 0 ? "up" : row.difference < 0 ? "down" : ""}`,
      points(row.difference), h("span", { class: "unit" }, " points")));
  const titles = [["problem", "Problem"], ["domain", "Domain"], ["side", a.name], ["side", b.name],
    ["difference number", "Difference, points"]];
  return h("table", { role: "table", class: "list" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      titles.map(([name, text]) => h("th", { role: "columnheader", scope: "col", class: name }, text)))),
    h("tbody", { role: "rowgroup" }, rows.map(drawn)));
}
