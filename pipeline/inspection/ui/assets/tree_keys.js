// The tree without its picture: where an arrow key leads, and what a screen reader hears.
import { h } from "./dom.js";
import { describe } from "./tree_boxes.js";
import { hidden } from "./tree_model.js";

export const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home"]);

/** The id of the tree item of a box. */
export const idOf = (item) => `item-${item.key}`;

/** The box that a key of MOVES leads to from `item`; null or undefined if there is none. */
export function moved(key, item, { items, byKey }) {
  if (key === "Home") return items[0];
  if (key === "ArrowLeft") return byKey.get(item.parent);
  if (key === "ArrowRight") return item.isStub ? null : byKey.get(`n${item.node.children[0]?.id}`);
  return beside(items, item, key === "ArrowUp" ? -1 : 1);
}

/** The next box above (-1) or below (1) in the same column, else the nearest in the next row. */
function beside(items, item, way) {
  const ahead = items.filter((one) => (one.row - item.row) * way > 0);
  const distance = (one) => Math.abs(one.row - item.row) + (one.col === item.col ? 0
    : 1e6 + Math.abs(one.col - item.col) / 1e3);
  return ahead.reduce((best, one) => (!best || distance(one) < distance(best) ? one : best), null);
}

/** A box with its ancestors, siblings and children as elements of role `treeitem`. */
export function treeItems(item, { items, model }) {
  const above = new Set(model.path(item.node.id));
  const isNear = (one) => one === item || one.parent === item.parent || one.parent === item.key
    || (!one.isStub && above.has(one.node));
  return items.filter(isNear).map((one) => h("div", {
    role: "treeitem", id: idOf(one), "aria-level": one.node.depth + (one.isStub ? 2 : 1),
      "aria-selected": String(one === item),
    "aria-expanded": one.node.children.length > 1 && !one.isStub ? String(model.open.has(one.node.id)) : null,
  }, one.isStub ? folded(one.node) : describe(one.node)));
}

function folded(node) {
  const { branches, passed, judged } = hidden(node);
  return `${branches} other branches, folded; ${passed} of ${judged} responses passed. Enter opens them.`;
}
