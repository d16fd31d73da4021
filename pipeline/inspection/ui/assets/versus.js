// The responses of a problem as a list, and two of them side by side from where they part.
import { errorBox, h, notify } from "./dom.js";
import { count, decimal, percent, plural, UNKNOWN } from "./format.js";
import { stepLine } from "./panel.js";
import { outcome } from "./pieces.js";

const SHOWN = 25;

/** All responses as a table; a row selects, "compare" sets it beside the selected one. */
export function responseList(selected, context) {
  const { problem, model } = context;
  if (!problem.responses.length) return h("p", { class: "empty" }, "No response ended.");
  const canCompare = Boolean(model.nodes.get(selected)?.response);
  const rank = { pass: 0, fail: 1, abstain: 2, error: 3 };
  const rows = problem.responses.toSorted((a, b) => Number(b.kept) - Number(a.kept)
    || (rank[a.outcome] ?? 4) - (rank[b.outcome] ?? 4) || a.leaf - b.leaf);
  const row = (one) => h("tr", { "aria-current": one.leaf === selected ? "true" : null },
    h("td", null, h("button", { class: "link", onclick: () => context.choose(one.leaf) }, `node ${one.leaf}`)),
      h("td", null, outcome(one.outcome)), h("td", null, one.kept ? h("b", null, "kept")
      : `dropped: ${(one.decided_by ?? UNKNOWN).replaceAll("_", " ")}`),
    h("td", null, h("bdi", null, one.extracted === null ? UNKNOWN : String(one.extracted).slice(0, 60))),
      h("td", { class: "wide" }, h("bdi", null, (one.reason ?? "").slice(0, 120))),
    h("td", { class: "wide number" }, decimal(one.p_correct)),
      h("td", { class: "wide number" }, count(one.num_tokens)),
    h("td", null, canCompare && one.leaf !== selected && h("button",
      { class: "small", "aria-label": `Compare with node ${one.leaf}`,
      onclick: () => context.compare(selected, one.leaf) }, "Compare")));
  const body = h("tbody", null, rows.slice(0, SHOWN).map(row));
  const more = rows.length > SHOWN && h("button", { class: "small",
    onclick: () => { body.append(...rows.slice(SHOWN).map(row)); more.remove(); } },
    `Show all ${count(rows.length)}`);
  return h("details", { class: "responses", open: true }, h("summary", null, plural(rows.length, "response")),
    h("table", null, h("thead", null, h("tr", null, ["Ends at", "Verdict", "Decision",
      "Answer"].map((one) => h("th", { scope: "col" }, one)), h("th", { scope: "col", class: "wide" }, "Reason"),
      h("th", { scope: "col", class: "wide number" }, "All steps right"),
      h("th", { scope: "col", class: "wide number" }, "Tokens"),
      h("th", { scope: "col" }, h("span", { class: "hidden" }, "Compare")))),
      body), more);
}

/** Two responses: what they share in one line, then both from where they part. */
export function versus(a, b, context) {
  const { model } = context;
  const [first, second] = [model.path(a), model.path(b)];
  const close = h("button", { "data-closes": true, onclick: () => context.choose(a) }, "Back to the tree");
  if (!model.nodes.get(a)?.response || !model.nodes.get(b)?.response) {
    return h("section", null, close, errorBox(new Error(`nodes ${a} and ${b} do not both end a response`)));
  }
  const shared = first.filter((one, i) => one === second[i]).length;
  const steps = first.slice(1, shared);
  const from = first[shared - 1];
  const swap = h("button", { onclick: () => { context.compare(b, a); notify("Swapped."); } }, "Swap");
  return h("section", { class: "versus", "aria-label": "Two responses" },
    h("div", { class: "bar" }, h("h2", null, `Node ${a} and node ${b}`), h("span", { class: "push" }), swap, close),
    h("details", { class: "shared" }, h("summary", null, steps.length
      ? `Both begin with the same ${plural(steps.length, "step")}` : "They part at the prompt",
      from.trials ? `; from there ${percent(from.value)} of ${plural(from.trials, "rollout")} passed` : ""),
      steps.map((one) => stepLine(one, context))),
    h("div", { class: "columns" }, [first, second].map((nodes) => column(nodes.slice(shared), nodes.at(-1),
      context))));
}

function column(nodes, end, context) {
  const { response } = end;
  return h("article", { "aria-label": `Response that ends at node ${end.id}` },
    h("header", null, h("h3", null, `Node ${end.id} `, outcome(response.outcome)),
      h("p", null, h("b", null,
        response.kept ? "Kept" : `Dropped by ${(response.decided_by ?? UNKNOWN).replaceAll("_", " ")}`),
        response.decision && [": ", h("bdi", null, response.decision)]),
      h("p", { class: "quiet" }, "Answer ", h("bdi", null, response.extracted ?? "none"),
        response.reason && [" · ", h("bdi", null, response.reason)])),
    nodes.length ? nodes.map((one) => [response.first_error === one.step
      && h("p", { class: "warning" }, "The next step is probably the first wrong one."), stepLine(one, context)])
      : h("p", { class: "quiet" }, "It ends where they part."));
}
