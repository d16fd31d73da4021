// A person's judgement of a response or of one step, and those that were given before.
import { h, put } from "./dom.js";
import { path, post } from "./api.js";
import { time } from "./format.js";

const NAME = "berry-judge";
const CHOICES = [["right", "Right"], ["wrong", "Wrong"], ["unsure", "Unsure"]];
const AGREES = { pass: "right", fail: "wrong" };

/** The form and the earlier judgements, for a node that is not the prompt. */
export function judging(node, context) {
  const { problem } = context;
  const isEnd = Boolean(node.response);
  const leaf = isEnd ? node.id : firstLeaf(node, problem, context.model);
  if (leaf === null) return null;
  const earlier = h("div"), trouble = h("div", { role: "alert" });
  const about = h("select", { "aria-label": "What you judge" },
    isEnd && h("option", { value: "response" }, "this response"), h("option", { value: "step" }, "this step"));
  const note = h("textarea", { rows: 2, "aria-label": "Note", placeholder: "Note: why (optional)" });
  const by = h("input", { type: "text", "aria-label": "Your name", placeholder: "Your name",
    value: localStorage.getItem(NAME) ?? "", autocomplete: "name" });
  const buttons = CHOICES.map(([value, text]) => h("button", { type: "button", class: "small", onclick: () => save(value) }, text));
  const save = async (outcome) => {
    localStorage.setItem(NAME, by.value.trim());
    buttons.forEach((one) => { one.disabled = true; });
    try {
      context.onJudged(await post(path("runs", context.run, "judgements"), {
        problem_id: problem.problem_id, leaf, node: about.value === "step" ? node.id : null,
          outcome, note: note.value, by: by.value.trim() }));
      note.value = "";
      put(trouble);
      draw();
    } catch (error) {
      put(trouble, h("p", { class: "bad" }, error.message));
    }
    buttons.forEach((one) => { one.disabled = false; });
  };
  const draw = () => put(earlier, given(node, leaf, isEnd, problem));
  draw();
  return h("section", { class: "judge", "aria-label": "Judge" }, h("h3", null, "Your judgement"),
    // No button submits: Enter in the name would press the first one, and say "right".
    h("form", { onsubmit: (event) => event.preventDefault() }, h("div", { class: "bar" }, about, buttons), note, h("div", { class: "bar" }, by),
      trouble), earlier);
}

function firstLeaf(node, problem, model) {
  const ends = problem.responses.filter((one) => model.path(one.leaf).includes(node));
  return (ends.find((one) => one.kept) ?? ends[0])?.leaf ?? null;
}

function given(node, leaf, isEnd, problem) {
  const all = problem.judgements.filter((one) => one.node === node.id
    || (isEnd && one.leaf === leaf && one.node === null)).toReversed();
  return all.length > 0 && h("ul", { class: "plain" }, all.map((one) => {
    const verifier = one.node === null ? AGREES[one.verifier_outcome] : null;
    const agreement = verifier && one.outcome !== "unsure"
      ? (verifier === one.outcome ? ", agrees with the verifier" : ", differs from the verifier") : "";
    return h("li", null, h("b", null, one.outcome), one.node === null ? " (response)" : " (step)", agreement,
      h("span", { class: "quiet" }, ` · ${one.by || "unnamed"}, ${time(one.time)}`),
      one.note && h("div", { class: "prose" }, one.note));
  }));
}
