// Builds elements from plain values. Text only ever becomes text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
}

/**
 * An HTML element.
 * @param {string} tag
 * @param {object|null} props attributes; `onclick` and the like are listeners, `vars` are CSS properties,
 *   null and false leave an attribute out.
 * @param {...(Node|string|number|null|false|Array)} children strings become text nodes.
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element, with the same arguments as `h`. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Puts other children into an element. */
export function put(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** Shows a short message at the foot of the page, which screen readers speak too. */
export function notify(text, isError = false) {
  const bar = document.getElementById("notice");
  put(bar, h("div", { class: isError ? "bad" : null }, text));
  clearTimeout(notify.timer);
  notify.timer = setTimeout(() => put(bar), isError ? 9000 : 3500);
}

/** A box with the error's text, where the user looks. */
export function errorBox(error) {
  return h("div", { class: "error", role: "alert" }, h("strong", null, "Not possible: "),
    error.message ?? String(error));
}

/** Copies a text, or offers it for copying by hand where the browser does not allow it. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    notify(`Copied ${what}.`);
  } catch {
    const area = h("textarea", { readonly: true, rows: 12, "aria-label": what, value: text });
    openDialog(`Copy ${what} from here`, area);
    area.select();
  }
}

/** Opens a dialog that closes with Esc or its button. */
export function openDialog(title, ...children) {
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() },
    h("header", null, h("h2", null, title), h("button", { onclick: () => dialog.close() }, "Close")), children);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
