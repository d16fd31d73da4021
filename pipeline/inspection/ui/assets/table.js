// The problems of a run that the filters leave, a page at a time.
import { copy, errorBox, h, notify, put } from "./dom.js";
import { get, path } from "./api.js";
import { goQuery } from "./navigation.js";
import { brief, compact, count, interval, known, percent, plural } from "./format.js";
import { OUTCOMES, pager, rateBar } from "./pieces.js";
import { chosen } from "./filters.js";

const PAGE = 50;
const COLUMNS = [["problem", "Problem", "text"], ["gold", "Gold answer"], ["passed", "Pass rate", "rate"],
  ["verdicts", "Responses", "responses"], ["kept", "Kept", "kept"], ["tokens", "Tokens", "tokens"], ["copy", ""]];

/**
 * The table of the run `name`.
 * @returns {{element: Element, load: function, setSorts: function}} `load(query, {quiet})` asks for the rows of a
 *   query string; `quiet` keeps what is shown until the answer differs.
 */
export function problemTable(name, signal) {
  const element = h("div", { class: "problems" });
  const tools = h("div", { class: "bar tools" }), body = h("div", { onkeydown: moveInRows });
  const sort = h("select", { "aria-label": "Sort by", onchange: () => goQuery({ sort: sort.value, offset: null }) });
  put(element, tools, body);
  let query = new URLSearchParams(), last = "", running = null, answer = null;

  function setSorts(sorts) {
    put(sort, sorts.map((one) => h("option", { value: one.key }, one.label)));
    sort.value = query.get("sort") ?? sorts[0]?.key ?? "";
  }
  const isDescending = () => query.get("descending") === "1";
  const turn = h("button", { class: "small", onclick: () => goQuery({ descending: isDescending() ? null : "1",
    offset: null }) });

  async function load(newQuery, { quiet = false } = {}) {
    query = newQuery;
    running?.abort();
    running = new AbortController();
    const wanted = { ...chosen(query), limit: PAGE, offset: query.get("offset") ?? 0 };
    if (query.get("sort")) wanted.sort = query.get("sort");
    if (isDescending()) wanted.descending = 1;
    if (!quiet) body.setAttribute("aria-busy", "true");
    try {
      answer = await get(path("runs", name, "problems"), wanted, AbortSignal.any([signal, running.signal]));
    } catch (error) {
      if (error.name === "AbortError") return;
      last = "";
      put(body, errorBox(error));
      return;
    } finally {
      body.removeAttribute("aria-busy");
    }
    const text = JSON.stringify([answer, location.search]);
    if (text !== last) draw();
    last = text;
  }

  function draw() {
    const focused = document.activeElement?.dataset?.key;
    const { matched, of, rows, responses, complete } = answer;
    const offset = Number(query.get("offset") ?? 0);
    const pages = (options) => pager({ offset, size: PAGE, matched }, (to) => goQuery({ offset: to }), options);
    sort.value = query.get("sort") ?? sort.options[0]?.value ?? "";
    put(turn, isDescending() ? "↓ descending" : "↑ ascending");
    const found = matched === of ? plural(of, "problem") : `${count(matched)} of ${plural(of, "problem")}`;
    put(tools, h("p", { role: "status" }, h("b", null, found),
      known(responses) && `, ${plural(responses, "response")}`, !complete && " so far"),
      h("span", { class: "push" }), h("label", null, "Sort by ", sort), turn, pages());
    const nothing = of ? "No problem matches these filters." : "No problem is finished yet.";
    put(body, rows.length ? drawTable(rows) : h("p", { class: "empty" }, nothing),
      rows.length > 20 && h("div", { class: "bar tools" }, h("span", { class: "push" }), pages({ isMain: false })));
    if (focused) body.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  function drawTable(rows) {
    const current = query.get("sort");
    const way = isDescending() ? "descending" : "ascending";
    const sortBy = (by) => () => goQuery({ sort: by, descending: by === current && !isDescending() ? "1" : null,
      offset: null });
    const header = ([key, text, by]) => h("th",
      { role: "columnheader", scope: "col", class: key, "aria-sort": by && by === current ? way : null },
      by ? h("button", { "data-key": `sort ${by}`, onclick: sortBy(by) }, text) : text
        || h("span", { class: "hidden" }, "Copy"));
    return h("table", { role: "table", class: "list" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map(header))),
      h("tbody", { role: "rowgroup" }, rows.map((row) => drawRow(name, row))));
  }
  return { element, load, setSorts };
}

function drawRow(run, row) {
  const url = `/runs/${encodeURIComponent(run)}/problems/${encodeURIComponent(row.problem_id)}`;
  const cell = (name, ...children) => h("td", { role: "cell", class: name }, children);
  const of = [["pass", row.passed], ["fail", row.failed], ["abstain", row.abstained], ["error", row.errors]];
  const verdict = ([key, number]) => h("span", { class: `outcome ${key}`, title: OUTCOMES[key].text },
    h("span", { "aria-hidden": "true" }, OUTCOMES[key].mark), h("span", { class: "hidden" }, `${OUTCOMES[key].text} `),
      count(number));
  const verdicts = of.filter(([, number]) => number).map(verdict);
  const unit = (text) => h("span", { class: "unit" }, ` ${text}`);
  return h("tr", { role: "row" },
    cell("problem", h("a", { href: url, class: "cover", "data-key": row.problem_id },
      h("bdi", null, brief(row.problem ?? "", 220) || "(no text)")),
      h("small", null, h("bdi", null, row.domain ?? "no domain"), " · ", h("bdi", null, row.source_id ?? row.problem_id),
        row.judged && h("b", null, " · judged"))),
    cell("gold", h("bdi", null, !row.gold ? "none" : brief(String(row.gold), 40))),
    cell("passed", rateBar(row.rate, row.low, row.high),
      h("span", null, percent(row.rate), " ",
        h("small", { title: `right rollouts of those with a known outcome; 95% interval ${interval(row.low, row.high)}` },
        row.known ? `${count(row.right)}/${count(row.known)}` : "unknown"))),
    cell("verdicts", verdicts.length ? verdicts : count(row.responses)),
    cell("kept", row.kept ? h("b", null, count(row.kept)) : "0", unit("kept")),
    cell("tokens", compact(row.tokens), unit("tokens")),
    cell("copy", h("button", { class: "small", "aria-label": `Copy problem ${row.problem_id} as JSON`,
      onclick: () => copyRow(run, row.problem_id) }, "JSON")));
}

/** Copies the stored row of a problem. */
export async function copyRow(run, problem) {
  try {
    await copy(JSON.stringify(await get(path("runs", run, "problems", problem, "row")), null, 2), "the stored row");
  } catch (error) {
    notify(error.message, true);
  }
}

function moveInRows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.tagName === "SELECT") return;
  const links = [...event.currentTarget.querySelectorAll("tbody a.cover")];
  const next = links[links.indexOf(event.target.closest("tr")?.querySelector("a.cover")) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
