// The tree of one problem: what hangs below each node, which branches are open, and where each box goes.

import { known } from "./format.js";

/**
 * A node of the tree with what follows from its place. `value` is the fraction of passes, null without trials.
 * @typedef {object} TreeNode
 * @property {number} id
 * @property {TreeNode|null} up
 * @property {TreeNode[]} children the best first
 * @property {object|null} response the response that ends here
 * @property {number} judged responses at or below this node that passed or failed
 * @property {number} passed those that passed
 * @property {number} kept responses at or below this node that were kept
 */

export class TreeModel {
  /** @param {object} problem the server's answer about one problem */
  constructor(problem) {
    const ends = new Map(problem.responses.map((one) => [one.leaf, one]));
    this.nodes = new Map(problem.nodes.map((one) => [one.id, {
      ...one, facts: one, up: null, children: [], depth: 0, judged: 0, passed: 0, kept: 0, responses: 0,
      value: one.trials ? one.passes / one.trials : null, response: ends.get(one.id) ?? null }]));
    this.spine = new Set(problem.spine);
    this.open = new Set();
    this.order = this.#connect();
    this.root = this.order[0] ?? null;
    this.hasScores = problem.nodes.some((one) => known(one.score));
    this.versions = [...new Set(problem.nodes.map((one) => one.version).filter(Boolean))].sort();
  }

  /** Links parents and children, adds up from the leaves, and returns the nodes with parents first. */
  #connect() {
    for (const node of this.nodes.values()) {
      node.up = this.nodes.get(node.parent) ?? null;
      node.up?.children.push(node);
    }
    const order = [...this.nodes.values()].filter((one) => !one.up).slice(0, 1);
    for (const node of order) {
      for (const child of node.children) {
        child.depth = node.depth + 1;
        order.push(child);
      }
    }
    for (const node of order.toReversed()) {
      const { response } = node;
      node.judged += response?.outcome === "pass" || response?.outcome === "fail" ? 1 : 0;
      node.passed += response?.outcome === "pass" ? 1 : 0;
      node.kept += response?.kept ? 1 : 0;
      node.responses += response ? 1 : 0;
      for (const key of ["judged", "passed", "kept", "responses"]) if (node.up) node.up[key] += node[key];
    }
    const rank = (one) => [this.spine.has(one.id), one.kept > 0, one.passed > 0, one.value ?? -1];
    for (const node of order) node.children.sort((a, b) => compareRanks(rank(b), rank(a)) || a.id - b.id);
    return order;
  }

  /** The nodes from the root to a node. */
  path(id) {
    const nodes = [];
    for (let node = this.nodes.get(id); node; node = node.up) nodes.unshift(node);
    return nodes;
  }

  /** Opens what hides a node. Returns whether anything changed. */
  reveal(id) {
    const before = this.open.size;
    for (const node of this.path(id)) if (node.up && node.up.children[0] !== node) this.open.add(node.up.id);
    return this.open.size !== before;
  }

  /** Opens or folds the branches after a node. */
  toggle(node) {
    if (node.children.length > 1 && !this.open.delete(node.id)) this.open.add(node.id);
  }

  openAll() {
    for (const node of this.order) if (node.children.length > 1) this.open.add(node.id);
  }

  /**
   * Places the boxes: a column for each step, a first child beside its parent, other branches below. A branch takes
   * the highest row where it meets no other line.
   * @returns {{key: string, node: TreeNode, isStub: boolean, col: number, row: number, parent: string|null}[]}
   */
  layout() {
    const items = [];
    const left = []; // row -> the leftmost column in use; a line between two columns counts as half a column
    const free = (row) => left[row] ?? Infinity;
    const put = (node, isStub, col, row) => items.push({ key: (isStub ? "s" : "n") + node.id, node, isStub, col, row,
      parent: isStub ? `n${node.id}` : node.up && `n${node.up.id}` });
    // Places a line at the first free row from `from`, and returns its row.
    const settle = (first, last, from, top) => {
      let row = from;
      while (free(row) <= last) row += 1;
      for (let above = top + 1; above < row; above += 1) left[above] = Math.min(free(above), first - 0.5);
      left[row] = Math.min(free(row), first - 0.5);
      return row;
    };
    const line = (start, col, from, top) => {
      const nodes = [];
      for (let node = start; node; node = node.children[0]) nodes.push(node);
      const row = settle(col, col + nodes.length - 1, from, top);
      let bottom = row;
      nodes.forEach((node, i) => put(node, false, col + i, row));
      for (let i = nodes.length - 1; i >= 0; i -= 1) {
        const others = nodes[i].children.slice(1);
        if (!others.length) continue;
        if (!this.open.has(nodes[i].id)) {
          const at = settle(col + i + 1, col + i + 1, row + 1, row);
          put(nodes[i], true, col + i + 1, at);
          bottom = Math.max(bottom, at);
          continue;
        }
        let next = row + 1;
        for (const other of others) next = line(other, col + i + 1, next, row) + 1;
        bottom = Math.max(bottom, next - 1);
      }
      return bottom;
    };
    if (this.root) line(this.root, 0, 0, 0);
    return items;
  }
}

function compareRanks(a, b) {
  const i = a.findIndex((one, at) => one !== b[at]);
  return i < 0 ? 0 : Number(a[i]) - Number(b[i]);
}

/** What a fold hides after a node: its branches, and how their responses ended. */
export function hidden(node) {
  const others = node.children.slice(1);
  const sum = (key) => others.reduce((total, one) => total + one[key], 0);
  return { branches: others.length, responses: sum("responses"), judged: sum("judged"), passed: sum("passed"),
    kept: sum("kept") };
}
