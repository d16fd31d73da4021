// What is known of one node: its text, its rollouts, and for the end of a response the verdict and the decision.
import { copy, h, put } from "./dom.js";
import { get, path } from "./api.js";
import { count, decimal, interval, known, percent, plural, UNKNOWN } from "./format.js";
import { judging } from "./judge.js";
import { mathsButton, textBlock } from "./maths.js";
import { decision, outcome } from "./pieces.js";
import { tokenBlock } from "./tokens.js";

const STATUS = {
  completed: "the model ended it", unfinished: "it paused after a step, and the search went on elsewhere",
  pruned: "a reward model's score ended it", truncated: "it reached the token limit", error: "the engine aborted it",
};

/** Draws the panel of `node` into `element`. */
export function panel(element, node, context) {
  if (!node) return put(element, h("p", null, "This problem has no tree."));
  const { response } = node;
  const name = node.up ? `Step ${node.step}` : "Prompt";
  const link = `${location.origin}${location.pathname}?node=${node.id}`;
  const facts = () => JSON.stringify({ node: node.facts, response }, null, 2);
  return put(element,
    h("header", { class: "title" }, h("h2", null, name, h("small", null, ` node ${node.id}`)),
      h("span", { class: "push" }),
      h("button", { class: "small", onclick: () => copy(link, "the link") }, "Copy link"),
      h("button", { class: "small", onclick: () => copy(facts(), `node ${node.id}`) }, "Copy as JSON")),
    response && verdict(node, context), texts(node, context), node.up && judging(node, context),
    h("section", { "aria-label": "Figures" }, measured(node), response && ending(node, context),
      !response && node.up && through(node, context)));
}

/** The verdict of a response and what became of it: the first thing to know of its end. */
function verdict(node, context) {
  const { response } = node;
  const { gold } = context.problem;
  const wrong = response.first_error ? context.model.path(node.id)[response.first_error] : null;
  return h("section", { class: `verdict ${response.outcome ?? "none"}`, "aria-label": "Verdict" },
    h("p", null, h("b", null, outcome(response.outcome)), response.reason && [": ", h("bdi", null, response.reason)]),
    h("p", null, decision(response), response.decision && [": ", h("bdi", null, response.decision)],
      known(response.decision_score) && ` (score ${decimal(response.decision_score, 3)})`),
    h("dl", { class: "pairs" },
      pair("Answer", known(response.extracted) ? textBlock(String(response.extracted), { class: "short" })
        : "none found"),
      pair("Gold answer", gold ? textBlock(String(gold), { class: "short" }) : "none"),
      wrong && pair("First wrong step", jump(wrong.id, `step ${response.first_error}`, context),
        ", judging from rollouts"),
      known(response.p_correct) && pair("All steps right", `with probability ${decimal(response.p_correct)}`)),
    h("p", null, compareWith(node, context)));
}

/** How a response came to be and was judged, in full. */
function ending({ response }, context) {
  const evidence = Object.keys(response.evidence ?? {}).length ? JSON.stringify(response.evidence, null, 2) : null;
  return [
    h("dl", { class: "pairs" },
      known(response.score) && pair("Outcome score", decimal(response.score, 3)),
      pair("Ended", `${response.status}: ${STATUS[response.status] ?? ""}`),
      pair("Length", plural(response.num_tokens, "token")),
      response.verifier && pair("Verifier", `${response.verifier} ${response.verifier_version ?? ""}`),
      response.started_at > 0 && pair("Sampled from", jump(response.started_at, `node ${response.started_at}`, context))),
    evidence && h("details", null, h("summary", null, "Evidence"), h("pre", { tabindex: 0 }, evidence)),
  ];
}

function compareWith(node, context) {
  const others = context.problem.responses.filter((one) => one.leaf !== node.id);
  if (!others.length) return null;
  const words = (one) => [`node ${one.leaf}: ${one.outcome ?? "not judged"}`, one.kept && "kept",
    known(one.extracted) && `answer ${String(one.extracted).slice(0, 30)}`].filter(Boolean).join(", ");
  const compare = (event) => event.target.value && context.compare(node.id, Number(event.target.value));
  return h("select", { "aria-label": "Compare with another response", onchange: compare },
    h("option", { value: "" }, "Compare with …"), others.map((one) => h("option", { value: one.leaf }, words(one))));
}

/** The step's text, its tokens, or the whole response, as the reader chooses. */
function texts(node, context) {
  const body = h("div");
  const steps = context.model.path(node.id).slice(1);
  const url = path("runs", context.run, "problems", context.problem.problem_id, "nodes", node.id, "tokens");
  const all = node.response ? "Response" : "Up to here";
  const views = [["Step", () => textBlock(node.text)]];
  if (node.up) views.push(["Tokens", () => tokenBlock(() => get(url, null, context.signal))]);
  if (steps.length > 1) views.push([all, () => steps.map((one) => stepLine(one, context))]);
  const buttons = views.map(([label], i) =>
    h("button", { class: "small", "aria-pressed": "false", onclick: () => show(i) }, label));
  const show = (chosen) => {
    buttons.forEach((one, i) => one.setAttribute("aria-pressed", String(i === chosen)));
    put(body, views[chosen][1]());
  };
  show(0);
  return h("section", { "aria-label": "Text" }, h("div", { class: "bar", role: "group", "aria-label": "Show" },
    views.length > 1 && buttons, h("span", { class: "push" }), mathsButton()), body);
}

/** One step of a response with its pass rate before it. */
export function stepLine(node, context) {
  const rate = node.trials ? `${node.passes}/${node.trials} passed` : "no trials";
  const score = known(node.score) ? ` · score ${decimal(node.score)}` : "";
  return h("div", { class: "step" }, jump(node.id, `step ${node.step}`, context), h("small", null, ` ${rate}${score}`),
    textBlock(node.text, {}, { isLazy: true }));
}

/** A link that selects a node. */
const jump = (id, text, context) => h("button", { class: "link", onclick: () => context.choose(id) }, text);

function measured(node) {
  const rate = (passes, trials, low, high) => (trials
    ? `${count(passes)} of ${count(trials)} passed (${[percent(passes / trials), low !== null && `95% interval ${interval(low, high)}`].filter(Boolean).join("; ")})`
    : "none judged");
  const mean = known(node.logprob) && node.num_tokens > 0 && decimal(node.logprob / node.num_tokens);
  return h("dl", { class: "pairs" },
    pair("Rollouts through it", rate(node.passes, node.trials, node.low, node.high)),
    node.up && pair("Rollouts from its end", rate(node.started_passes, node.started_trials, node.started_low,
      node.started_high)),
    known(node.p_correct) && pair("Right up to here", `with probability ${decimal(node.p_correct)}`),
    known(node.score) && pair("Step's score", decimal(node.score, 3)),
    known(node.cut_score) && pair("Score that ended it", decimal(node.cut_score, 3)),
    node.up && pair("Tokens", count(node.num_tokens), mean && `; mean log-probability ${mean}`),
    node.version && pair("Model version", h("bdi", null, node.version)),
    node.finish && pair("Stopped by", String(node.finish)));
}

/** Responses that go through a node in the middle. */
function through(node, context) {
  const ends = context.problem.responses.filter((one) => context.model.path(one.leaf).includes(node));
  const shown = ends.slice(0, 12);
  return h("details", null, h("summary", null, `${plural(ends.length, "response")} through this step`),
    h("ul", { class: "plain" }, shown.map((one) => h("li", null, jump(one.leaf, `node ${one.leaf}`, context), " ",
      outcome(one.outcome), one.kept && ", kept"))),
    ends.length > shown.length
      && h("p", { class: "quiet" }, `and ${count(ends.length - shown.length)} more, in the list`));
}

const pair = (label, value, more) => h("div", null, h("dt", null, label), h("dd", null, value ?? UNKNOWN, more));
