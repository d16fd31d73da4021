// Text of problems and models, with its maths rendered if the reader wants it. Always text, never markup.
import { h, put } from "./dom.js";
import { count } from "./format.js";

const LONGEST_TEXT = 30_000;
const LONGEST_FORMULA = 2_000;
const MOST_FORMULAS = 400;
const DELIMITED = /\$\$([^$]+?)\$\$|\\\[([^]{1,2000}?)\\\]|\\\(([^]{1,2000}?)\\\)|(?<!\\)\$(?![\s$])((?:[^$\\\n]|\\.|\n(?!\n))+?)(?<!\s)\$(?!\d)/g;
const CODE = /```|^(?: {4}|\t)/m;
// "$5 off, that is $" is money: it starts with a figure and has words in a row.
const MONEY = /^\d[^\\]*\b[A-Za-z]{2,}\s+[A-Za-z]{2,}/;

/**
 * Splits a text into plain parts and formulas.
 * @param {string} text
 * @returns {{text: string, tex?: string, display?: boolean}[]} `text` of all parts joined is the text.
 */
export function segments(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(DELIMITED)) {
    const tex = found[1] ?? found[2] ?? found[3] ?? found[4];
    if (tex.length > LONGEST_FORMULA || (found[4] && MONEY.test(tex))) continue;
    if (found.index > end) parts.push({ text: text.slice(end, found.index) });
    parts.push({ text: found[0], tex, display: (found[1] ?? found[2]) !== undefined });
    end = found.index + found[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** What is larger than its place can be scrolled, so the keyboard has to reach it. */
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight + 1) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

function formula({ text, tex, display }) {
  const element = h("span", { class: "maths" });
  try {
    window.katex.render(tex, element, {
      displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 200,
        errorColor: "inherit",
      // The MathML of these two needs inline style, which the page's security policy refuses.
      output: /\\(fcolorbox|pmb)/.test(tex) ? "html" : "htmlAndMathml",
    });
    sizes.observe(element);
    return element;
  } catch {
    return h("span", { class: "source", title: "Not valid maths, so shown as it is" }, text);
  }
}

function rendered(text) {
  const parts = segments(text);
  if (!window.katex || parts.length > 2 * MOST_FORMULAS) return text;
  return parts.map((one) => (one.tex === undefined ? one.text : formula(one)));
}

/** Whether maths is shown rendered; the choice is kept for the next page. */
export const maths = {
  get on() {
    return localStorage.getItem("berry-maths") !== "source";
  },
  toggle() {
    localStorage.setItem("berry-maths", this.on ? "source" : "maths");
    document.dispatchEvent(new Event("maths"));
  },
};

/** A button that switches between maths and source for the whole page. */
export function mathsButton() {
  const button = h("button", { class: "small", onclick: () => maths.toggle() });
  const label = () => put(button, maths.on ? "Show source" : "Show maths");
  label();
  whenMathsChanges(button, label);
  return button;
}

/** Calls back when the reader switches, as long as the element is on the page. */
function whenMathsChanges(element, callback) {
  const listener = () => (element.isConnected ? callback() : document.removeEventListener("maths", listener));
  document.addEventListener("maths", listener);
}

/** Renders maths when it comes near the screen: a response of thousands of steps opens at once. */
const arrivals = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((one) => one.isIntersecting)) {
    arrivals.unobserve(target);
    target.dispatchEvent(new Event("arrival"));
  }
}, { rootMargin: "600px" });

/**
 * A block of text of a problem or a model. Very long text starts cut, with a button for the rest.
 * @param {string} text
 * @param {object} [props] attributes of the block
 * @param {{isLazy?: boolean}} [options] whether its maths waits until the block is near the screen
 */
export function textBlock(text, props = {}, { isLazy = false } = {}) {
  const block = h("div",
    { ...props, class: `prose ${CODE.test(text.slice(0, LONGEST_TEXT)) ? "code" : ""} ${props.class ?? ""}`,
    dir: "auto" });
  let all = text.length <= LONGEST_TEXT, isNear = !isLazy;
  const draw = () => {
    const shown = all ? text : text.slice(0, LONGEST_TEXT);
    const rest = all ? null : h("button", { class: "small", onclick: () => { all = true; draw(); } },
      `Show all ${count(text.length)} characters`);
    put(block, maths.on && isNear && shown.length <= LONGEST_TEXT ? rendered(shown) : shown,
      rest && h("div", null, "… ", rest));
    if (!text) put(block, h("em", { class: "quiet" }, "(no text)"));
  };
  draw();
  if (isLazy && text.match(DELIMITED)) {
    arrivals.observe(block);
    block.addEventListener("arrival", () => { isNear = true; draw(); });
  }
  if (props.class === "short") sizes.observe(block);
  whenMathsChanges(block, draw);
  return block;
}
