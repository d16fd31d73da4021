// The tree as a picture that moves, zooms and opens, with the node that is chosen.
import { h, put, s } from "./dom.js";
import { gestures } from "./gestures.js";
import { HEIGHT, WIDTH } from "./tree_boxes.js";
import { idOf, moved, MOVES, treeItems } from "./tree_keys.js";
import { COLUMN, ROW, TreeScene } from "./tree_scene.js";

const MARGIN = 16;
const ZOOMS = { least: 0.02, readable: 0.62, most: 2 };

export class TreeView {
  /**
   * @param {import("./tree_model.js").TreeModel} model
   * @param {{onSelect: function(number): void}} options called when the reader chooses a node
   */
  constructor(model, { onSelect }) {
    Object.assign(this, { model, onSelect, mode: "value", current: null, selected: null, x: MARGIN, y: MARGIN, zoom: 1 });
    this.scene = new TreeScene();
    this.svg = s("svg", { "aria-hidden": "true" }, this.scene.element);
    this.list = h("div", { role: "tree", tabindex: 0, class: "spoken", "aria-label": "Tree of the responses",
      onkeydown: (event) => this.#onKey(event) });
    this.element = h("div", { class: "canvas" }, this.list, this.svg);
    gestures(this.svg, this);
    new ResizeObserver(() => this.#frame()).observe(this.element);
  }

  /** Lays the tree out again after branches were opened or folded. */
  relayout() {
    const held = this.items && this.byKey.get(this.current);
    this.items = this.model.layout();
    this.byKey = new Map(this.items.map((one) => [one.key, one]));
    this.places = new Map(this.items.map((one) => [`${one.col},${one.row}`, one]));
    const most = (key) => this.items.reduce((found, one) => Math.max(found, one[key]), 0);
    this.size = { width: (most("col") + 1) * COLUMN, height: (most("row") + 1) * ROW };
    const tall = Math.min(this.size.height + 2 * MARGIN, window.innerHeight * 0.6);
    this.element.style.height = `${Math.max(tall, this.element.clientHeight)}px`;
    if (!this.byKey.has(this.current)) this.current = held ? `n${held.node.id}` : null;
    const now = this.byKey.get(this.current);
    if (held && now) this.y += (held.row - now.row) * ROW * this.zoom; // what the reader looks at stays where it is
    this.scene.forget();
    this.#clamp();
    this.#frame();
    this.#speak();
  }

  /** Colours by another property: see `colours.modes`. */
  colourBy(mode) {
    this.mode = mode;
    this.scene.forget();
    this.#frame();
  }

  /** Selects a node, opens what hides it, and moves it into view. */
  select(id, { isFirst = false } = {}) {
    if (!this.model.nodes.has(id)) return;
    this.selected = id;
    this.current = `n${id}`;
    if (this.model.reveal(id) || !this.items) this.relayout();
    this.scene.forget();
    if (isFirst) this.#shrink();
    this.#bringIntoView(this.byKey.get(this.current));
    this.#speak();
  }

  /** Makes the picture smaller until the best path fits in it, or its text would be hard to read. */
  #shrink() {
    const { width } = this.svg.getBoundingClientRect();
    if (width) this.zoom = Math.min(1, Math.max(ZOOMS.readable, (width - 2 * MARGIN) / this.size.width));
  }

  /** Opens or folds the branches after a node. */
  toggle(node) {
    this.model.toggle(node);
    this.relayout();
  }

  openAll() {
    this.model.openAll();
    this.relayout();
    this.fit();
  }

  foldAll() {
    this.model.open.clear();
    this.element.style.height = "";
    if (!this.model.spine.has(this.selected)) this.current = null;
    this.relayout();
    Object.assign(this, { x: MARGIN, y: MARGIN });
    this.#frame();
  }

  /** Shows all that is open. */
  fit() {
    const { width, height } = this.svg.getBoundingClientRect();
    this.zoom = Math.max(ZOOMS.least, Math.min(1, (width - 2 * MARGIN) / this.size.width,
      (height - 2 * MARGIN) / this.size.height));
    Object.assign(this, { x: MARGIN, y: MARGIN });
    this.#frame();
  }

  /** Zooms by a factor around a point of the picture, by default its middle. */
  zoomBy(factor, point) {
    const { width, height } = this.svg.getBoundingClientRect();
    const [px, py] = point ?? [width / 2, height / 2];
    const zoom = Math.min(ZOOMS.most, Math.max(ZOOMS.least, this.zoom * factor));
    this.x = px - ((px - this.x) * zoom) / this.zoom;
    this.y = py - ((py - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.#clamp();
    this.#frame();
  }

  /** Moves the picture; returns whether it moved, since it stops at the tree's ends. */
  moveBy(dx, dy) {
    const before = [this.x, this.y];
    this.x += dx;
    this.y += dy;
    this.#clamp();
    this.#frame();
    return this.x !== before[0] || this.y !== before[1];
  }

  /** The reader clicked at a point of the picture. */
  clickAt([px, py]) {
    const x = (px - this.x) / this.zoom, y = (py - this.y) / this.zoom;
    const item = this.places.get(`${Math.floor(x / COLUMN)},${Math.floor(y / ROW)}`);
    this.list.focus({ preventScroll: true });
    if (!item || y % ROW > HEIGHT) return;
    const offset = x % COLUMN;
    if (item.isStub && offset <= WIDTH) this.toggle(item.node);
    else if (item.node.children.length > 1 && offset > WIDTH - 8) this.toggle(item.node);
    else if (offset <= WIDTH) this.#choose(item);
  }

  #choose(item) {
    this.current = item.key;
    if (item.isStub) {
      this.scene.forget();
      this.#bringIntoView(item);
      this.#speak();
    } else {
      this.select(item.node.id);
      this.onSelect(item.node.id);
    }
  }

  #clamp() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width || !this.size) return;
    const hold = (at, room, size) => Math.min(MARGIN, Math.max(Math.min(MARGIN, room - size - MARGIN), at));
    this.x = hold(this.x, width, this.size.width * this.zoom);
    this.y = hold(this.y, height, this.size.height * this.zoom);
  }

  #bringIntoView(item) {
    const { width, height } = this.svg.getBoundingClientRect();
    if (item && width) {
      const left = this.x + item.col * COLUMN * this.zoom, top = this.y + item.row * ROW * this.zoom;
      this.x += shift(left, COLUMN * this.zoom, width);
      this.y += shift(top, ROW * this.zoom, height);
      this.#clamp();
    }
    this.#frame();
  }

  /** Draws with the next frame of the screen. */
  #frame() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.items && this.element.isConnected) this.scene.draw(this, this.svg.getBoundingClientRect());
    });
  }

  #onKey(event) {
    const item = this.byKey.get(this.current) ?? this.items[0];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { Enter: () => this.toggle(item.node), " ": () => this.toggle(item.node),
      "+": () => this.zoomBy(1.25), "=": () => this.zoomBy(1.25), "-": () => this.zoomBy(0.8),
      0: () => this.fit() }[event.key];
    if (!act && !MOVES.has(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = act ? act() : moved(event.key, item, this);
    if (next) this.#choose(next);
  }

  /** Writes the current box and what is near it as tree items for screen readers. */
  #speak() {
    const item = this.byKey?.get(this.current) ?? this.items?.[0];
    if (!item) return;
    put(this.list, treeItems(item, this));
    this.list.setAttribute("aria-activedescendant", idOf(item));
  }
}

/** How far to move what is at `at` into a room: as little as needed for a step, to the middle for a leap. */
function shift(at, size, room) {
  const least = at < MARGIN ? MARGIN - at : Math.min(0, room - MARGIN - size - at);
  return Math.abs(least) > 2 * size ? (room - size) / 2 - at : least;
}
