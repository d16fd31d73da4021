// Colours of the tree, the same in both themes and told apart by colour-blind readers. Never the only sign.
import { h } from "./dom.js";
import { known, percent } from "./format.js";
import { OUTCOMES } from "./pieces.js";

const LOW = [202, 88, 18], MIDDLE = [140, 140, 140], HIGH = [18, 118, 190];
const STEPS = 10;
const VERDICTS = { pass: "#1276be", fail: "#ca5812", abstain: "#8c8c8c", error: "#a8559a" };
const VERSIONS = ["#1276be", "#ca5812", "#0a8f68", "#a8559a", "#8c8c8c", "#a17400", "#3f8fb5", "#7a6bc7"];
const NONE = "none";

const mix = (from, to, share) => from.map((one, i) => Math.round(one + (to[i] - one) * share));

/** Orange for 0 over grey to blue for 1, in ten steps; null has no colour. */
export function scale(value) {
  if (!known(value)) return NONE;
  const step = Math.round(Math.min(1, Math.max(0, value)) * STEPS) / STEPS;
  const [r, g, b] = step < 0.5 ? mix(LOW, MIDDLE, step * 2) : mix(MIDDLE, HIGH, step * 2 - 1);
  return `rgb(${r},${g},${b})`;
}

/** What the tree can be coloured by, for a tree of `model`: [[key, label], ...]. */
export function modes(model) {
  const all = [["value", "pass rate"], ["verdict", "verdict"]];
  if (model.hasScores) all.push(["score", "reward model's score"]);
  if (model.versions.length) all.push(["version", "model version"]);
  return all;
}

/** The colour of a node, `none` if it has nothing of that kind. */
export function colourOf(mode, node, model) {
  if (mode === "verdict") return VERDICTS[node.response?.outcome] ?? NONE;
  if (mode === "score") return scale(node.score);
  if (mode === "version") return VERSIONS[model.versions.indexOf(node.version) % VERSIONS.length] ?? NONE;
  return scale(node.value);
}

/** The key to the colours, as a list. */
export function legend(mode, model) {
  const item = ([colour, text]) => h("li", null,
    h("span", { class: `swatch ${colour === NONE ? NONE : ""}`, vars: { "--swatch": colour } }), text);
  const quarters = (text) => [0, 0.25, 0.5, 0.75, 1].map((one) => [scale(one), text(one)]);
  const verdicts = Object.entries(VERDICTS).map(([name, colour]) =>
    [colour, `${OUTCOMES[name].mark} ${OUTCOMES[name].text}`]);
  const items = {
    value: () => [...quarters((one) => percent(one)), [NONE, "no trials"]],
    score: () => [...quarters(String), [NONE, "no score"]],
    verdict: () => [...verdicts, [NONE, "ends no judged response"]],
    version: () => [...model.versions.map((one, i) => [VERSIONS[i % VERSIONS.length], one]), [NONE, "unknown"]],
  };
  return h("ul", { class: "legend" }, items[mode]().map(item));
}
