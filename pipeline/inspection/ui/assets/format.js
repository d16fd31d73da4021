// Numbers and times as a reader wants them. Unknown is a dash, never 0.

export const UNKNOWN = "–";

const plain = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Whether a value of the server is there: 0 and "" are. */
export const known = (value) => value !== null && value !== undefined;

/** 12,345, or a dash. */
export const count = (value) => (known(value) ? plain.format(value) : UNKNOWN);

/** 12.3K, or a dash. */
export const compact = (value) => (known(value) ? short.format(value) : UNKNOWN);

/** A fraction as a percentage. Not quite 0 or 1 is never shown as 0% or 100%. */
export function percent(value, digits = 0) {
  if (!known(value)) return UNKNOWN;
  const text = (value * 100).toFixed(digits);
  const isRounded = (value > 0 && Number(text) === 0) || (value < 1 && Number(text) === 100);
  return `${isRounded ? (value * 100).toFixed(digits + 2).replace(/0+$/, "") : text}%`;
}

/** Difference of two fractions in percentage points, with its sign. */
export const points = (value) => (known(value) ? `${value > 0 ? "+" : ""}${(value * 100).toFixed(1)}` : UNKNOWN);

/** A number with a fixed number of digits, or a dash. */
export const decimal = (value, digits = 2) => (known(value) ? value.toFixed(digits) : UNKNOWN);

/** "26–66%", the interval of a fraction; empty if unknown. */
export function interval(low, high) {
  return known(low) && known(high) ? `${(low * 100).toFixed(0)}–${(high * 100).toFixed(0)}%` : "";
}

/** "1 problem", "2 problems". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A text on one line, cut after `length` characters. */
export function brief(text, length) {
  const line = text.slice(0, length * 4).replace(/\s+/g, " ").trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** A time of the server in the reader's own zone; the text itself if it is no time. */
export function time(value) {
  if (!known(value)) return UNKNOWN;
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? String(value)
    : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
