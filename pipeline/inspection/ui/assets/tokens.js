// The sampled tokens of a step, darker the less likely the model found them.
import { errorBox, h, put } from "./dom.js";
import { decimal, percent, plural } from "./format.js";

const UNLIKELY = -5;
const MOST = 5000;

/**
 * The tokens as text. One of them is current: arrow keys or the mouse choose it, and its figures are in a line below.
 * @param {function(): Promise<{tokens: object[]|null, reason: string|null}>} load
 */
export function tokenBlock(load) {
  const element = h("div", null, h("p", { class: "quiet" }, "Reading the tokens …"));
  load().then(({ tokens, reason }) => put(element, tokens && drawn(tokens),
    reason && h("p", { class: "quiet" }, `${tokens ? "Only the ids" : "No tokens to show"}: ${reason}`)),
    (error) => error.name === "AbortError" || put(element, errorBox(error)));
  return element;
}

function drawn(tokens) {
  const shown = tokens.slice(0, MOST);
  const line = h("p", { class: "quiet figures", "aria-live": "polite" }, "Point at a token, or use the arrow keys.");
  const spans = shown.map((one) => h("span", { class: "token", vars: { "--doubt": one.logprob === null ? 0
    : Math.min(1, one.logprob / UNLIKELY) } }, one.text === null ? `${one.id} ` : visible(one.text)));
  let current = -1;
  const choose = (i) => {
    spans[current]?.classList.remove("now");
    current = Math.min(spans.length - 1, Math.max(0, i));
    spans[current]?.classList.add("now");
    const { id, text, logprob } = shown[current];
    const likely = logprob === null ? "log-probability unknown"
      : `log-probability ${decimal(logprob, 3)} (${percent(Math.exp(logprob), 1)})`;
    put(line, `Token ${current + 1} of ${tokens.length}: `,
      text !== null && [h("code", null, JSON.stringify(text)), ", "], `id ${id}, ${likely}`);
  };
  const onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 10, ArrowLeft: -1, ArrowUp: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(current + step);
    spans[current].scrollIntoView({ block: "nearest" });
  };
  const onpointerover = (event) => spans.includes(event.target) && choose(spans.indexOf(event.target));
  return [h("div", { class: "prose tokens", tabindex: 0, role: "group",
    "aria-label": `${plural(tokens.length, "token")}, shaded where the model was unsure`, onkeydown, onpointerover },
    spans), line,
    tokens.length > MOST && h("p", { class: "quiet" }, `Only the first ${MOST} are shown.`)];
}

/** Line breaks as a sign and a break, so that a token of nothing else can be seen. */
const visible = (text) => text.replaceAll("\n", "⏎\n");
