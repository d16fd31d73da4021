// The responses of a problem as a list, and two of them side by side from where they part.
import { errorBox, h } from "./dom.js";
import { count, decimal, percent, plural, UNKNOWN } from "./format.js";
import { stepLine } from "./panel.js";
import { decision, outcome } from "./pieces.js";

const SHOWN = 25;
const RANK = { pass: 0, fail: 1, abstain: 2, error: 3 };

/**
 * All responses as a table. A row selects its response, "Compare" sets it beside the selected one.
 * @returns {{element: Element, select: function(number)}} `select` marks the row of a node
 */
export function responseList(context) {
  const { problem, model } = context;
  if (!problem.responses.length) return { element: h("p", { class: "empty" }, "No response ended."), select() {} };
  let selected = null;
  const sorted = problem.responses.toSorted((a, b) => Number(b.kept) - Number(a.kept)
    || (RANK[a.outcome] ?? 4) - (RANK[b.outcome] ?? 4) || (b.p_correct ?? -1) - (a.p_correct ?? -1) || a.leaf - b.leaf);
  const compare = (leaf) => () => context.compare(selected, leaf);
  const rows = sorted.map((one) => h("tr", { "data-leaf": one.leaf },
    h("td", null, h("button", { class: "link", onclick: () => context.choose(one.leaf) }, `node ${one.leaf}`)),
    h("td", null, outcome(one.outcome)),
    h("td", null, decision(one)),
    h("td", null, h("bdi", null, one.extracted === null ? UNKNOWN : String(one.extracted).slice(0, 60))),
    h("td", { class: "wide" }, h("bdi", null, (one.reason ?? "").slice(0, 120))),
    h("td", { class: "wide number" }, decimal(one.p_correct)),
    h("td", { class: "wide number" }, count(one.num_tokens)),
    h("td", null, h("button", { class: "small", "aria-label": `Compare with node ${one.leaf}`,
      onclick: compare(one.leaf) },
      "Compare"))));
  const select = (id) => {
    selected = id;
    const canCompare = Boolean(model.nodes.get(id)?.response);
    for (const row of rows) {
      const isSelected = Number(row.dataset.leaf) === id;
      if (isSelected) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      row.lastElementChild.firstElementChild.hidden = !canCompare || isSelected;
    }
  };
  const body = h("tbody", null, rows.slice(0, SHOWN));
  const showAll = () => {
    body.append(...rows.slice(SHOWN));
    more.remove();
  };
  const more = h("button", { class: "small", onclick: showAll }, `Show all ${count(rows.length)}`);
  const title = (text, name = null) => h("th", { scope: "col", class: name }, text);
  const element = h("details", { class: "responses", open: true }, h("summary", null, plural(rows.length, "response")),
    h("table", null, h("thead", null, h("tr", null, title("Ends at"), title("Verdict"), title("Decision"),
      title("Answer"),
      title("Reason", "wide"), title("All steps right", "wide number"), title("Tokens", "wide number"),
      title(h("span", { class: "hidden" }, "Compare")))), body),
    rows.length > SHOWN && more);
  return { element, select };
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
  const steps = first.slice(1, shared), from = first[shared - 1];
  const begin = steps.length ? `Both begin with the same ${plural(steps.length, "step")}` : "They part at the prompt";
  const rate = from.trials ? `; from there ${percent(from.value)} of ${plural(from.trials, "rollout")} passed` : "";
  return h("section", { class: "versus", "aria-label": "Two responses" },
    h("div", { class: "bar" }, h("h2", null, `Node ${a} and node ${b}`), h("span", { class: "push" }),
      h("button", { onclick: () => context.compare(b, a) }, "Swap"), close),
    h("details", { class: "shared" }, h("summary", null, begin + rate), steps.map((one) => stepLine(one, context))),
    h("div", { class: "columns" }, [first, second].map((nodes) => column(nodes.slice(shared), nodes.at(-1), context))));
}

function column(nodes, end, context) {
  const { response } = end;
  const warning = h("p", { class: "warning" }, "The next step is probably the first wrong one.");
  return h("article", { "aria-label": `Response that ends at node ${end.id}` },
    h("header", null, h("h3", null, `Node ${end.id} `, outcome(response.outcome)),
      h("p", null, decision(response), response.decision && [": ", h("bdi", null, response.decision)]),
      h("p", { class: "quiet" }, "Answer ", h("bdi", null, response.extracted ?? "none"),
        response.reason && [" · ", h("bdi", null, response.reason)])),
    nodes.map((one) => [response.first_error === one.step && warning, stepLine(one, context)]),
    !nodes.length && h("p", { class: "quiet" }, "It ends where they part."));
}
