// Small pieces that several pages show.
import { h } from "./dom.js";
import { count, known } from "./format.js";

/** A fraction as a bar with the interval as a line over it. The text beside it carries the number. */
export function rateBar(rate, low, high) {
  if (!known(rate)) return h("span", { class: "rate none", "aria-hidden": "true" });
  const vars = { "--rate": rate, "--low": low ?? rate, "--high": high ?? rate };
  return h("span", { class: "rate", vars, "aria-hidden": "true" });
}

export const OUTCOMES = {
  pass: { mark: "✓", text: "passed" },
  fail: { mark: "✗", text: "failed" },
  abstain: { mark: "?", text: "abstained" },
  error: { mark: "!", text: "verifier failed" },
};

/** The outcome of a verdict as a mark with words; null is a response that was not judged. */
export function outcome(value) {
  const { mark, text } = OUTCOMES[value] ?? { mark: "·", text: "not judged" };
  return h("span", { class: `outcome ${value ?? "none"}` }, h("span", { "aria-hidden": "true" }, mark), ` ${text}`);
}

const STATES = { complete: "complete", running: "running", not_running: "stopped before its end",
  unknown: "state unknown", unreadable: "not readable" };

/** A run's state. */
export const state = (value) => h("span", { class: `state ${value}` }, STATES[value] ?? value);

/** A large figure with its name above and a remark below; for a list of class `tiles`. */
export const tile = (label, value, more) => h("div", null, h("dt", null, label),
  h("dd", null, h("b", null, value), more && h("small", null, more)));

/**
 * Buttons to the pages before and after the one that is shown.
 * @param {{offset: number, size: number, matched: number}} shown
 * @param {function(number|null): void} to called with the offset to show
 * @param {{isMain?: boolean}} [options] whether the keys `[` and `]` press these buttons
 */
export function pager({ offset, size, matched }, to, { isMain = true } = {}) {
  if (matched <= size && !offset) return null;
  const button = (rel, label, text, target, disabled) =>
    h("button", { class: "small", rel: isMain ? rel : null, "data-key": `${rel} ${isMain}`, disabled,
    "aria-label": label, onclick: () => to(target || null) }, text);
  return h("span", { class: "pager" }, button("prev", "Previous page", "‹", Math.max(0, offset - size), offset <= 0),
    ` ${count(matched ? offset + 1 : 0)}–${count(Math.min(offset + size, matched))} of ${count(matched)} `,
    button("next", "Next page", "›", offset + size, offset + size >= matched));
}

/** What became of a response: kept, or dropped and by which rule. */
export function decision({ kept, decided_by: rule }) {
  if (kept) return h("b", null, "Kept");
  return h("span", null, h("b", null, "Dropped"), rule && `: ${rule.replaceAll("_", " ")}`);
}
