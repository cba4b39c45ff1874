// The tree of a lane that holds several rows: what goes on, what ended, what was given up.

const TREE_ROW = 22;
const TREE_GAP = 14;
// Longest a piece may be in its column, in letters; and how wide a letter is, in pixels.
const TREE_LETTERS = 12;
const TREE_LETTER = 7.3;
const TREE_STATES = { alive: "goes on", finished: "finished", kept: "stopped alive", pruned: "given up" };

const placeKey = (index, row) => `${index}:${row}`;

/** Everything the page was told of the rows of a lane; lines only ever add to it. */
class RowTree {
  constructor() {
    this.nodes = new Map();
    this.alive = [];
    this.leaves = new Map();
    this.best = null;
    this.isCut = false;
    this.last = -1;
  }

  add({ n, alive, leaves, best, cut }) {
    for (const [index, row, parent, piece, score] of n) {
      this.nodes.set(placeKey(index, row), { index, row, piece, score, parent: index > 0 ? placeKey(index - 1, parent) : null });
      this.last = Math.max(this.last, index);
    }
    this.alive = alive;
    this.leaves = new Map(leaves.map(([index, row, score, done, notes]) => [placeKey(index, row), { score, done: done === 1, notes }]));
    this.best = best ? placeKey(...best) : null;
    this.isCut = cut === 1;
  }

  path(key) {
    const path = [];
    for (let node = this.nodes.get(key); node; node = this.nodes.get(node.parent)) path.unshift(node);
    return path;
  }

  /** The last nodes of all rows: the row shown first, then what goes on or ended, then the rest. */
  tips() {
    const inner = new Set([...this.nodes.values()].map((node) => node.parent));
    const living = new Set(this.alive.map((row) => placeKey(this.last, row)));
    const tips = [];
    for (const [key, node] of this.nodes) {
      const leaf = this.leaves.get(key);
      if (inner.has(key) && !leaf) continue;
      const state = leaf ? (leaf.done ? "finished" : "kept") : living.has(key) ? "alive" : "pruned";
      tips.push({ key, node, state, score: leaf ? leaf.score : node.score, notes: (leaf && leaf.notes) || {} });
    }
    const order = (tip) => (tip.key === this.best ? 0 : tip.state === "pruned" ? 2 : 1);
    const value = (tip) => (isNumber(tip.score) ? tip.score : -Infinity);
    return tips.sort((one, other) => order(one) - order(other) || value(other) - value(one) || 0);
  }

  /**
   * Where every branch is drawn: shared beginnings once, each branch in the first free line below
   * the one it leaves.
   * @returns {{branches: Array<{nodes: Array<object>, line: number, from: number|null, tip: object}>, lines: number}}
   */
  layout() {
    const placed = new Map();
    const taken = [];
    const branches = [];
    for (const tip of this.tips()) {
      const nodes = this.path(tip.key);
      const start = nodes.findIndex((node) => !placed.has(placeKey(node.index, node.row)));
      const own = start === -1 ? [] : nodes.slice(start);
      if (own.length === 0) continue;
      const from = own[0].parent === null ? null : placed.get(own[0].parent);
      // A column before it for the line that leads there, one after it for its score.
      const [left, right] = [own[0].index - 1, own[own.length - 1].index + 1];
      let line = from === null || from === undefined ? 0 : from + 1;
      while ((taken[line] || []).some(([a, b]) => a <= right && left <= b)) line += 1;
      (taken[line] ||= []).push([left, right]);
      for (const node of own) placed.set(placeKey(node.index, node.row), line);
      branches.push({ nodes: own, line, from: from ?? null, tip });
    }
    return { branches, lines: taken.length };
  }
}

class TreePanel {
  /** @param {function()} onClose */
  constructor(onClose) {
    this.title = make("h3", { class: "gx-title" });
    this.facts = make("p", { class: "gx-param-help", role: "status" });
    this.canvas = make("div", { class: "gx-tree-canvas", role: "img" });
    this.scroll = make("div", { class: "gx-tree-scroll", tabindex: "0", "aria-label": "Tree of rows; scroll to see all" }, this.canvas);
    this.rows = make("tbody");
    const heads = ["row", "score", "text and why"].map((text) => make("th", { scope: "col", text }));
    const close = make("button", { class: "gx-button", type: "button", text: "Close tree", onclick: onClose });
    this.root = make(
      "section",
      { class: "gx-tree", "aria-label": "Tree of a lane's rows" },
      make("header", { class: "gx-pin-head" }, this.title, make("span", { class: "gx-grow" }), close),
      this.facts,
      this.scroll,
      make("table", { class: "gx-tree-rows" }, make("thead", {}, make("tr", {}, ...heads)), this.rows),
    );
    this.root.hidden = true;
  }

  show(lane) {
    this.lane = lane;
    this.root.hidden = !lane;
    this.drawn = 0;
    if (lane) this.draw();
  }

  /** Draws again, a few times a second at most; a large tree less often. */
  refresh() {
    if (!this.lane || this.timer) return;
    const size = this.lane.run && this.lane.run.tree ? this.lane.run.tree.nodes.size : 0;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.lane) this.draw();
    }, 300 + size / 2);
  }

  draw() {
    const { lane } = this;
    setText(this.title, `Tree of ${lane.words()}`);
    const tree = lane.run && lane.run.tree;
    if (!tree || tree.nodes.size === 0) {
      setText(this.facts, "Run to see the rows of this method grow.");
      this.canvas.replaceChildren();
      this.rows.replaceChildren();
      return;
    }
    const { branches, lines } = tree.layout();
    const tips = tree.tips();
    this.drawFacts(tree, tips);
    const lefts = this.columns(tree);
    const atEnd = this.scroll.scrollLeft + this.scroll.clientWidth > this.scroll.scrollWidth - 30;
    const picture = makeSvg("svg", { class: "gx-tree-lines", width: lefts[lefts.length - 1], height: lines * TREE_ROW });
    const parts = [picture];
    for (const branch of branches) this.drawBranch(branch, lefts, picture, parts, tree.best);
    this.canvas.style.width = `${lefts[lefts.length - 1]}px`;
    this.canvas.style.height = `${lines * TREE_ROW}px`;
    this.canvas.setAttribute("aria-label", this.facts.textContent);
    this.canvas.replaceChildren(...parts);
    if (atEnd && !lane.run.end) this.scroll.scrollLeft = this.scroll.scrollWidth;
    this.drawRows(tree, tips);
  }

  drawFacts(tree, tips) {
    const count = (state) => tips.filter((tip) => tip.state === state).length;
    const words = Object.entries(TREE_STATES).map(([state, said]) => [count(state), said]);
    const parts = words.filter(([many]) => many > 0).map(([many, said]) => `${formatCount(many)} ${said}`);
    if (tree.isCut) parts.push(`drawn up to token ${tree.last}: the tree is larger`);
    setText(this.facts, parts.join(" · "));
  }

  /** Left edges of the columns, one a token, and one more for the last scores. */
  columns(tree) {
    const widths = new Array(tree.last + 2).fill(5);
    for (const node of tree.nodes.values()) {
      const letters = Math.min(TREE_LETTERS, [...quotePiece(node.piece)].length);
      widths[node.index] = Math.max(widths[node.index], letters);
    }
    const lefts = [0];
    for (const width of widths) lefts.push(lefts[lefts.length - 1] + width * TREE_LETTER + TREE_GAP);
    return lefts;
  }

  drawBranch({ nodes, line, from, tip }, lefts, picture, parts, best) {
    const y = line * TREE_ROW;
    const shown = tip.key === best ? " gx-tree-best" : "";
    for (const node of nodes) {
      const cell = make("span", { class: `gx-tree-cell gx-tree-${tip.state}${shown}`, title: `token ${node.index}: ${quotePiece(node.piece)}${isNumber(node.score) ? `, score ${formatNote(node.score)}` : ""}, ${TREE_STATES[tip.state]}` });
      cell.textContent = quotePiece(node.piece);
      cell.style.left = `${lefts[node.index]}px`;
      cell.style.top = `${y}px`;
      cell.style.maxWidth = `${lefts[node.index + 1] - lefts[node.index] - 4}px`;
      parts.push(cell);
    }
    const end = nodes[nodes.length - 1].index + 1;
    if (isNumber(tip.score)) {
      const score = make("span", { class: `gx-tree-score gx-tree-${tip.state}`, text: tip.score.toFixed(2) });
      score.style.left = `${lefts[end]}px`;
      score.style.top = `${y}px`;
      parts.push(score);
    }
    if (from === null || from === line) return;
    const x = lefts[nodes[0].index];
    const [top, middle] = [from * TREE_ROW + TREE_ROW - 4, y + TREE_ROW / 2];
    picture.append(makeSvg("path", { d: `M${x - 9} ${top}V${middle}H${x - 2}` }));
  }

  drawRows(tree, tips) {
    const kept = tips.filter((tip) => tip.state !== "pruned").slice(0, 64);
    this.rows.replaceChildren(
      ...kept.map((tip) => {
        const text = make("td", { dir: "auto", text: tree.path(tip.key).map((node) => node.piece).join("") });
        const state = `${TREE_STATES[tip.state]}${tip.key === tree.best ? ", shown" : ""}`;
        const score = isNumber(tip.score) ? formatNote(tip.score) : "–";
        const why = Object.entries(tip.notes).map(([name, value]) => `${name.replaceAll("_", " ")} ${formatNote(value)}`);
        if (why.length > 0) text.append(make("div", { class: "gx-param-help", dir: "ltr", text: why.join(" · ") }));
        return make("tr", {}, make("td", { text: state }), make("td", { text: score }), text);
      }),
    );
  }
}
