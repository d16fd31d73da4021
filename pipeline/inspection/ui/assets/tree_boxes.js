// One box of the tree, as a picture and in words.
import { s } from "./dom.js";
import { brief, known, percent } from "./format.js";
import { OUTCOMES } from "./pieces.js";
import { hidden } from "./tree_model.js";

export const WIDTH = 176;
export const HEIGHT = 42;
const LETTERS = 22;

/** A node: a strip in its colour, its text, what is known of it, and its pass rate as a bar. */
export function box(node, colour, { isOpen }) {
  const { response } = node;
  const has = node.children.length > 1;
  const facts = node.trials ? `${node.passes}/${node.trials} passed` : node.up ? "no trials" : "";
  const score = !known(node.score) ? "" : ` · ${node.score.toFixed(2)}`;
  const end = response && (OUTCOMES[response.outcome]?.mark ?? "·");
  return s("g", { class: `box ${response?.kept ? "kept" : ""}` },
    s("title", null, describe(node)),
    s("rect", { class: "back", width: WIDTH, height: HEIGHT, rx: 4 }),
    s("rect", { class: `strip ${colour === "none" ? "none" : ""}`, width: 6, height: HEIGHT, rx: 2, fill: colour }),
    s("text", { x: 13, y: 15, class: "words" }, node.up ? fitting(node.text) : "Prompt"),
    s("text", { x: 13, y: 30, class: "figures" }, facts + score),
    end && s("text", { x: WIDTH - (has ? 20 : 8), y: 30, class: `end ${response.outcome ?? "none"}` },
      (response.kept ? "kept " : "") + end),
    node.value !== null && [s("rect", { class: "track", x: 13, y: 35, width: WIDTH - 27, height: 3 }),
      s("rect", { class: "value", x: 13, y: 35, width: (WIDTH - 27) * node.value, height: 3 })],
    has && s("text", { x: WIDTH - 6, y: 26, class: "fold" }, isOpen ? "−" : "+"));
}

/** The box that stands for the folded branches after a node. */
export function stub(node) {
  const { branches, responses, judged, passed, kept } = hidden(node);
  const how = judged ? `${passed} of ${judged} passed` : `${responses} ${responses === 1 ? "response" : "responses"}`;
  return s("g", { class: "box stub" }, s("title", null, "Click to open"),
    s("rect", { class: "back", width: WIDTH, height: HEIGHT, rx: 4 }),
    s("text", { x: 13, y: 17, class: "words" }, `+ ${branches} ${branches === 1 ? "other" : "others"}`),
    s("text", { x: 13, y: 33, class: "figures" }, `${how}${kept ? ` · ${kept} kept` : ""}`));
}

/** A text that fits in a box; wide letters count twice. */
function fitting(text) {
  const line = brief(text, LETTERS) || "(no text)";
  const wide = [...line].filter((one) => one.codePointAt(0) > 0x10ff).length;
  return wide > 2 ? brief(line, Math.max(8, LETTERS - wide)) : line;
}

/** A node in words. */
export function describe(node) {
  const { response } = node;
  const parts = [node.up ? `Step ${node.step}, node ${node.id}: ${brief(node.text, 120) || "no text"}` : "Prompt"];
  if (node.trials) parts.push(`${node.passes} of ${node.trials} rollouts passed (${percent(node.value)})`);
  if (response) parts.push(`ends a response: ${OUTCOMES[response.outcome]?.text ?? "not judged"}, ${response.kept ? "kept" : "dropped"}`);
  if (node.children.length > 1) parts.push(`${node.children.length} branches`);
  return parts.join("; ");
}
