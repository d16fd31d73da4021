// The list of runs.
import { h, put } from "./dom.js";
import { get, path } from "./api.js";
import { go, setPath } from "./navigation.js";
import { compact, count, percent, time } from "./format.js";
import { state } from "./pieces.js";

/** Opens the page `/`. */
export function open(root) {
  const stop = new AbortController();
  setPath("runs", []);
  const draw = async () => {
    const { runs } = await get(path("runs"), null, stop.signal);
    put(root, h("h1", null, "Runs"), runs.length > 1 && comparison(runs),
      runs.length ? h("ul", { class: "cards" }, runs.map(card)) : h("p", null, "No run."));
  };
  return { ready: draw(), update() {}, close: () => stop.abort() };
}

function card(run) {
  const url = `/runs/${encodeURIComponent(run.name)}`;
  if (run.state === "unreadable") {
    return h("li", { class: "card" }, h("h2", null, run.name), state(run.state), h("p", { class: "bad" }, run.error),
      h("code", null, run.path));
  }
  const share = run.problems ? run.solved / run.problems : null;
  return h("li", { class: "card" },
    h("h2", null, h("a", { href: url, class: "cover" }, run.name)), state(run.state),
    h("dl", { class: "facts" },
      fact("Survivors", count(run.kept), `from ${count(run.solved)} problems`),
      fact("Problems solved", percent(share),
        `of ${count(run.problems)}${run.state !== "complete" && run.total && run.total !== run.problems ? `; ${count(run.total)} in the set` : ""}`),
      fact("Rollouts", compact(run.rollouts), `${compact(run.tokens)} tokens`)),
    h("p", { class: "quiet" }, h("bdi", null, run.model ?? "model unknown"), " · ", time(run.created)),
      h("code", null, run.path));
}

const fact = (label, value, more) => h("div", null, h("dt", null, label),
  h("dd", null, h("b", null, value), " ", h("small", null, more)));

function comparison(runs) {
  const names = runs.filter((one) => one.state !== "unreadable").map((one) => one.name);
  if (names.length < 2) return null;
  const choice = (label, index) => h("label", null, `${label} `, h("select", { name: label, value: null },
    names.map((name, i) => h("option", { value: name, selected: i === index }, name))));
  return h("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    const [a, b] = event.target.querySelectorAll("select");
    go(`/compare?${new URLSearchParams({ a: a.value, b: b.value })}`);
  } }, choice("Compare", 0), choice("with", 1), h("button", null, "Compare"));
}
