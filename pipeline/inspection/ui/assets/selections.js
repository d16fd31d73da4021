// Named selections of problems: the filters in use under a name, and how to export what they choose.
import { copy, h, notify, put } from "./dom.js";
import { path, post } from "./api.js";
import { plural, time } from "./format.js";
import { chosen, inWords } from "./filters.js";

/**
 * The form that saves and the list of what is saved.
 * @param {string} run name of the run
 * @param {function} onSaved called after a selection was stored
 */
export function selections(run, onSaved) {
  let query = new URLSearchParams();
  const about = h("span", { class: "quiet" });
  const input = h("input", { name: "name", required: true, maxlength: 100, placeholder: "name, as hard-geometry",
    "aria-label": "Name of the selection" });
  const form = h("form", { class: "bar save", onsubmit: save }, h("label", null, "Save these problems as ", input),
    h("button", null, "Save selection"), about);
  const element = h("details", { class: "keep" }, h("summary", null, "Save these problems as a selection"), form);

  async function save(event) {
    event.preventDefault();
    try {
      const saved = await post(path("runs", run, "selections"), { name: input.value.trim(), query: chosen(query) });
      notify(`Saved ${saved.name ?? input.value}${saved.problems === undefined ? "" : ` with ${plural(saved.problems, "problem")}`}.`);
      input.value = "";
      show(query);
      onSaved();
    } catch (error) {
      put(about, h("span", { class: "bad", role: "alert" }, error.message));
    }
  }
  const show = (newQuery) => {
    query = newQuery;
    const words = inWords(query).map(([text]) => text);
    put(about, words.length ? "" : "no filter is set: all problems");
  };
  const list = (element, all) => put(element, all.length > 0 && [h("h2", null, "Saved selections"),
    h("ul", { class: "cards" }, all.map((one) => card(run, one)))]);
  return { element, show, list };
}

function card(run, one) {
  const query = new URLSearchParams(one.query ?? {});
  const words = inWords(query).map(([text]) => text).join("; ");
  return h("li", { class: "card" },
    h("h3", null, h("a", { href: `/runs/${encodeURIComponent(run)}?${query}` }, one.name)),
    h("p", null, h("b", null, plural(one.problems, "problem")), `; ${words || "all"}`, h("br"),
      h("span", { class: "quiet" }, `saved ${time(one.saved)}${one.by ? ` by ${one.by}` : ""}`)),
    one.command && h("div", { class: "command" }, h("code", null, one.command),
      h("button", { class: "small", onclick: () => copy(one.command, "the command") }, "Copy")));
}
