// One problem: its text, the tree of its responses, and what is known of the node that is selected.
import { errorBox, h, put } from "./dom.js";
import { get, path } from "./api.js";
import { goQuery, setPath } from "./navigation.js";
import { legend, modes } from "./colours.js";
import { count, interval, percent, plural } from "./format.js";
import { mathsButton, textBlock } from "./maths.js";
import { panel } from "./panel.js";
import { tile } from "./pieces.js";
import { copyRow } from "./table.js";
import { TreeModel } from "./tree_model.js";
import { TreeView } from "./tree_view.js";
import { responseList, versus } from "./versus.js";

/** Opens the page `/runs/NAME/problems/ID`; `node` and `with` of its query string are nodes. */
export function open(root, [run, id], query) {
  const stop = new AbortController();
  const home = `/runs/${encodeURIComponent(run)}`;
  let shown = null;
  const update = (newQuery) => shown?.(newQuery);
  setPath(id, [[run, home], [id, location.pathname]]);
  const load = async () => {
    put(root, h("p", { class: "quiet", role: "status" }, "Reading the tree …"));
    const problem = await get(path("runs", run, "problems", id), null, stop.signal);
    setPath(problem.source_id ?? problem.problem_id,
      [[run, home], [problem.source_id ?? problem.problem_id, location.pathname]]);
    shown = draw(root, run, problem, stop.signal);
    shown(query);
  };
  return { ready: load(), update, close: () => stop.abort() };
}

function draw(root, run, problem, signal) {
  const model = new TreeModel(problem);
  const view = new TreeView(model, { onSelect: (id) => goQuery({ node: id }, { replace: true }) });
  const side = h("aside", { class: "panel", "aria-label": "The selected node", tabindex: 0 });
  const beside = h("div"), judged = h("span", null, judgedText(problem));
  const context = {
    run, problem, model, signal,
    choose: (id) => goQuery({ node: id, with: null }),
    compare: (a, b) => goQuery({ node: a, with: b }),
    onJudged(one) {
      problem.judgements.push(one);
      put(judged, judgedText(problem));
    },
  };
  const responses = responseList(context);
  const tree = h("section", { class: "tree", "aria-label": "Tree" }, toolbar(view, model), view.element,
    responses.element);
  const split = h("div", { class: "split" }, tree, side);
  put(root, head(run, problem, judged), beside, split);
  const best = problem.spine.at(-1) ?? model.root?.id;
  let last = null, compared = null;
  return (query) => {
    const asked = query.get("node"), other = query.get("with");
    const id = Number(asked ?? best);
    if (asked !== null && !model.nodes.has(id)) {
      put(side, errorBox(new Error(`there is no node ${asked} in this tree; it has nodes 0 to ${count(model.nodes.size - 1)}`)));
      view.relayout();
      return;
    }
    split.hidden = other !== null;
    if (last === null || id !== last) {
      if (model.root) view.select(id, { isFirst: last === null });
      panel(side, model.nodes.get(id) ?? null, context);
      side.scrollTop = 0;
    }
    last = id;
    put(beside, other !== null && versus(id, Number(other), context));
    // What had the focus is hidden now: whoever uses the keyboard goes on where the reading goes on.
    if (other !== null && other !== compared) beside.querySelector("[data-closes]").focus({ preventScroll: true });
    if (other === null && compared !== null) view.list.focus({ preventScroll: true });
    compared = other;
    responses.select(id);
  };
}

function head(run, problem, judged) {
  const url = (id) => `/runs/${encodeURIComponent(run)}/problems/${encodeURIComponent(id)}`;
  const step = (id, rel, text) => (id ? h("a", { href: url(id), rel, class: "button small" }, text) : null);
  const { responses } = problem;
  const number = (outcome) => responses.filter((one) => one.outcome === outcome).length;
  const kept = responses.filter((one) => one.kept).length;
  const rate = problem.known ? percent(problem.right / problem.known) : "–";
  const ends = [["pass", "passed"], ["fail", "failed"], ["abstain", "abstained"],
    ["error", "not judged: the verifier failed"]]
    .filter(([key]) => number(key)).map(([key, text]) => `${count(number(key))} ${text}`);
  return [
    h("div", { class: "title" }, h("h1", null, `Problem ${problem.source_id ?? problem.problem_id}`),
      h("span", { class: "quiet" }, h("bdi", null, problem.domain ?? "–"),
        problem.source && [" · ", h("bdi", null, problem.source)], problem.source_id && ` · ${problem.problem_id}`),
      h("span", { class: "push" }), mathsButton(),
      h("button", { class: "small", onclick: () => copyRow(run, problem.problem_id) }, "Copy as JSON"),
      step(problem.previous, "prev", "‹ previous"), step(problem.next, "next", "next ›")),
    textBlock(problem.problem, { class: "clipped", tabindex: 0, role: "region", "aria-label": "Problem" }),
    h("dl", { class: "tiles" },
      tile("Gold answer", problem.gold ? textBlock(String(problem.gold), { class: "short" }) : "none",
        [problem.kind, ...Object.keys(problem.tests ?? {})].filter(Boolean).join(", ")),
      tile("Rollouts that are right", rate, problem.known
        ? `${count(problem.right)} of ${count(problem.known)}; 95% interval ${interval(problem.low, problem.high)}`
          : "unknown"),
      tile("Survivors", count(kept),
        `of ${plural(responses.length, "response")}: ${ends.join(", ") || "none judged"}`),
      tile("Judged by people", judged)),
    problem.errors?.map((one) => h("p", { class: "error" }, h("strong", null, "The search broke off: "), one)),
    problem.warnings?.map((one) => h("p", { class: "warning" }, one)),
  ];
}

function judgedText(problem) {
  const given = problem.judgements.filter((one) => one.node === null && one.outcome !== "unsure");
  const verdicts = { right: "pass", wrong: "fail" };
  const agreeing = given.filter((one) => one.verifier_outcome === verdicts[one.outcome]).length;
  if (!problem.judgements.length) return "not yet";
  return [count(problem.judgements.length),
    given.length > 0 && h("small", null, ` ${count(agreeing)} of ${count(given.length)} agree with the verifier`)];
}

function toolbar(view, model) {
  const key = h("div");
  const mode = h("select", { "aria-label": "Colour by", onchange: () => recolour(mode.value) },
    modes(model).map(([value, text]) => h("option", { value }, text)));
  const recolour = (value) => {
    view.colourBy(value);
    put(key, legend(value, model));
  };
  const button = (text, action, label = null) => h("button", { class: "small", "aria-label": label, title: label,
    onclick: action }, text);
  recolour(mode.value);
  return h("div", { class: "bar tools" }, h("b", null, plural(model.nodes.size, "node")),
    button("Open all", () => view.openAll()), button("Fold to best path", () => view.foldAll()),
    button("−", () => view.zoomBy(0.8), "Zoom out"), button("+", () => view.zoomBy(1.25), "Zoom in"),
    button("Fit", () => view.fit()),
    h("label", null, "Colour by ", mode), key);
}
