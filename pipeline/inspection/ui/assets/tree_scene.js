// What the picture of a tree consists of: boxes and lines for the part that is in view.
import { put, s } from "./dom.js";
import { colourOf } from "./colours.js";
import { box, HEIGHT, stub, WIDTH } from "./tree_boxes.js";

export const COLUMN = WIDTH + 28;
export const ROW = HEIGHT + 12;
const LEAST_WITH_TEXT = 0.5;
const MOST_WITH_TEXT = 220;
const SPARE = 0.1;

/** Draws a little more than is in view, and draws again only when the view leaves that. */
export class TreeScene {
  constructor() {
    this.edges = s("path", { class: "edge" });
    this.keptEdges = s("path", { class: "edge kept" });
    this.chosenEdges = s("path", { class: "edge chosen" });
    this.boxes = s("g");
    this.ring = s("rect", { class: "ring", width: WIDTH + 6, height: HEIGHT + 6, rx: 6 });
    this.element = s("g", null, this.edges, this.keptEdges, this.chosenEdges, this.boxes, this.ring);
    this.forget();
  }

  /** Draws all anew with the next `draw`: the tree, its colours or the choice changed. */
  forget() {
    this.drawn = null;
    this.made = new Map();
    put(this.boxes);
  }

  /**
   * Draws the part of `view` (a TreeView) that a room of so many pixels shows.
   * @param {import("./tree_view.js").TreeView} view
   * @param {{width: number, height: number}} room
   */
  draw(view, { width, height }) {
    const { x, y, zoom, items, byKey } = view;
    this.element.setAttribute("transform", `translate(${x} ${y}) scale(${zoom})`);
    const seen = { left: -x / zoom, top: -y / zoom, right: (width - x) / zoom, bottom: (height - y) / zoom };
    const hasText = zoom >= LEAST_WITH_TEXT && items.filter((one) => overlaps(one, seen)).length <= MOST_WITH_TEXT;
    if (this.drawn?.hasText === hasText && covers(this.drawn, seen)) return;
    const spare = { x: (seen.right - seen.left) * SPARE, y: (seen.bottom - seen.top) * SPARE };
    const area = { left: seen.left - spare.x, top: seen.top - spare.y, right: seen.right + spare.x,
      bottom: seen.bottom + spare.y };
    const inside = items.filter((one) => overlaps(one, area));
    if (hasText) this.#drawBoxes(inside, view);
    else this.#drawBlocks(inside, view);
    this.#drawEdges(area, view);
    this.drawn = { ...area, hasText };
    const current = byKey.get(view.current);
    this.ring.style.display = current ? "" : "none";
    if (current) this.ring.setAttribute("transform", `translate(${current.col * COLUMN - 3} ${current.row * ROW - 3})`);
  }

  /** Boxes with text; those that are there already stay. */
  #drawBoxes(items, { mode, model }) {
    if (!this.made.size) put(this.boxes);
    const made = new Map();
    for (const { key, node, isStub, col, row } of items) {
      let element = this.made.get(key);
      if (!element) {
        element = isStub ? stub(node) : box(node, colourOf(mode, node, model), { isOpen: model.open.has(node.id) });
        element.setAttribute("transform", `translate(${col * COLUMN} ${row * ROW})`);
        this.boxes.append(element);
      }
      made.set(key, element);
    }
    for (const [key, element] of this.made) if (!made.has(key)) element.remove();
    this.made = made;
  }

  /** Boxes without text: one path for each colour, so that thousands cost little. */
  #drawBlocks(items, { mode, model }) {
    const paths = new Map();
    for (const { node, isStub, col, row } of items) {
      const colour = isStub ? "stub" : colourOf(mode, node, model);
      const block = `M${col * COLUMN} ${row * ROW}h${WIDTH}v${HEIGHT}h${-WIDTH}z`;
      paths.set(colour, (paths.get(colour) ?? "") + block);
    }
    const hasColour = (colour) => colour !== "stub" && colour !== "none";
    this.made = new Map();
    put(this.boxes, [...paths].map(([colour, d]) =>
      s("path", hasColour(colour) ? { d, fill: colour } : { d, class: `block ${colour}` })));
  }

  #drawEdges(area, { items, byKey, model, selected }) {
    const chosen = new Set(model.path(selected).map((one) => `n${one.id}`));
    const lines = { plain: [], kept: [], chosen: [] };
    for (const item of items) {
      const parent = byKey.get(item.parent);
      if (!parent) continue;
      const x = parent.col * COLUMN + WIDTH, y = parent.row * ROW + HEIGHT / 2, end = item.row * ROW + HEIGHT / 2;
      if (x > area.right || x + COLUMN - WIDTH < area.left || end < area.top || y > area.bottom) continue;
      const line = end === y ? `M${x} ${y}H${item.col * COLUMN}`
        : `M${x} ${y}h6q8 0 8 8V${end - 8}q0 8 8 8H${item.col * COLUMN}`;
      lines[chosen.has(item.key) ? "chosen" : item.node.kept && !item.isStub ? "kept" : "plain"].push(line);
    }
    this.edges.setAttribute("d", lines.plain.join(""));
    this.keptEdges.setAttribute("d", lines.kept.join(""));
    this.chosenEdges.setAttribute("d", lines.chosen.join(""));
  }
}

const covers = (area, seen) =>
  area.left <= seen.left && area.top <= seen.top && area.right >= seen.right && area.bottom >= seen.bottom;

function overlaps(item, area) {
  const x = item.col * COLUMN, y = item.row * ROW;
  return x < area.right && x + WIDTH > area.left && y < area.bottom && y + HEIGHT > area.top;
}
