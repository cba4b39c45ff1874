// A text as a walk on the graph of its tokens: laid out like text, with an arc for every return.

const GRAPH_DEPTH = 5;
const GRAPH_LINE = 44; // pixels from one line of nodes to the next: arcs need the room
const GRAPH_GAP = 7;
const GRAPH_MOST = 2000; // tokens of a lane that are drawn
const GRAPH_STRIP = { height: 86, base: 56, unit: 10 };
const GRAPH_SPECS = ["greedy", "momentum:k=5,alpha=0.2,resistance=paper"];

/** The walk itself, a token at a time; pieces name tokens. The server counts the same by ids. */
class TokenWalk {
  constructor() {
    this.nodes = [];
    this.byPiece = new Map();
    this.edges = new Map();
    this.seen = Array.from({ length: GRAPH_DEPTH }, () => new Set());
    this.recent = [];
    this.depths = [];
    this.last = null;
  }

  /** @returns {{node: object, fresh: boolean, depth: number, edge: object|null, from: object|null}} */
  push(piece) {
    this.recent.push(piece);
    if (this.recent.length > GRAPH_DEPTH) this.recent.shift();
    let depth = 0;
    for (let n = 1; n <= this.recent.length; n += 1) {
      const gram = this.recent.slice(-n).join("\u0000");
      if (this.seen[n - 1].has(gram)) depth = n;
      else this.seen[n - 1].add(gram);
    }
    let node = this.byPiece.get(piece);
    const fresh = !node;
    if (fresh) {
      node = { number: this.nodes.length, piece, visits: 0, first: this.depths.length, on: new Map() };
      this.nodes.push(node);
      this.byPiece.set(piece, node);
    }
    node.visits += 1;
    const from = this.last;
    let edge = null;
    if (from) {
      from.on.set(node, (from.on.get(node) || 0) + 1);
      const key = `${from.number} ${node.number}`;
      edge = this.edges.get(key);
      if (!edge) this.edges.set(key, (edge = { from, to: node, count: 0, depth: 0, mark: null }));
      edge.count += 1;
      edge.depth = Math.max(edge.depth, depth);
    }
    this.depths.push(depth);
    this.last = node;
    return { node, fresh, depth, edge, from };
  }
}

/** One lane's graph: tokens are only ever added, so that nothing that stands there moves. */
class GraphView {
  constructor(onPin) {
    this.onPin = onPin;
    this.title = make("h4", { class: "gx-graph-title" });
    this.svg = makeSvg("svg", { class: "gx-graph-svg", role: "group", "aria-label": "Graph of tokens" });
    this.strip = makeSvg("svg", { class: "gx-graph-strip", role: "img", "aria-label": "Circular depth, token by token" });
    this.read = make("p", { class: "gx-soft gx-graph-read", "aria-live": "polite" });
    this.sum = make("div", { class: "gx-soft" });
    this.element = make("div", { class: "gx-graph-lane" }, this.title, make("div", { class: "gx-graph-scroll" }, this.svg), this.read, make("div", { class: "gx-graph-scroll" }, this.strip), this.sum);
    this.pen = document.createElement("canvas").getContext("2d");
    for (const name of ["focusin", "pointerover"]) this.svg.addEventListener(name, (event) => this.tell(event.target));
    for (const name of ["focusout", "pointerleave"]) this.svg.addEventListener(name, () => this.light(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("click", (event) => this.pin(event.target));
    this.clear(null, [], 0);
  }

  /** Begins anew with a prompt. */
  clear(lane, prompt, most) {
    this.lane = lane;
    this.prompt = prompt;
    this.most = most;
    this.walk = new TokenWalk();
    this.read_ = 0;
    this.tail = null;
    this.marks = new Map();
    this.arcs = makeSvg("g", {});
    this.texts = makeSvg("g", {});
    this.bars = makeSvg("g", {});
    this.svg.replaceChildren(this.arcs, this.texts);
    this.strip.replaceChildren(this.bars);
    this.here = null;
    this.width = Math.max(240, this.element.clientWidth || 560);
    this.x = 0;
    this.y = GRAPH_LINE - 10;
    const style = getComputedStyle(this.element);
    this.pen.font = `14px ${style.fontFamily || "sans-serif"}`;
    this.stepWidth = clamp((this.width - 8) / Math.max(1, most), 2, 7);
    this.strip.setAttribute("width", Math.ceil(Math.max(this.width - 8, this.stepWidth * most)));
    this.strip.setAttribute("height", GRAPH_STRIP.height);
    this.bars.append(makeSvg("line", { class: "gx-graph-axis", x1: 0, x2: this.stepWidth * most, y1: GRAPH_STRIP.base + 0.5, y2: GRAPH_STRIP.base + 0.5 }));
    setText(this.sum, "");
    setText(this.read, "");
    for (const piece of prompt) this.add(piece, null);
    this.size();
  }

  /** Draws what a lane has more than before. */
  feed(lane, prompt, most) {
    const { tokens } = lane;
    const count = Math.min(tokens.length, GRAPH_MOST);
    const grew = lane === this.lane && count >= this.read_ && (this.read_ === 0 || tokens[this.read_ - 1] === this.tail);
    if (!grew) this.clear(lane, prompt, Math.min(most, GRAPH_MOST));
    if (count === this.read_) return;
    for (const token of tokens.slice(this.read_, count)) this.add(token.x, token);
    this.read_ = count;
    this.tail = tokens[count - 1];
    this.size();
    this.showHere();
  }

  size() {
    const size = `${this.width} ${this.y + 16}`;
    if (size === this.sized) return;
    this.sized = size;
    this.svg.setAttribute("width", this.width);
    this.svg.setAttribute("height", this.y + 16);
  }

  add(piece, token) {
    const step = this.walk.push(piece);
    if (step.fresh) this.place(step.node, token === null);
    if (step.edge) this.join(step);
    if (token) this.bar(step, token);
    this.current = step.node;
  }

  place(node, inPrompt) {
    const shown = quotePiece(node.piece);
    const width = Math.ceil(this.pen.measureText(shown).width) + 6;
    if (this.x + width > this.width && this.x > 0) {
      this.x = 0;
      this.y += GRAPH_LINE;
    }
    node.at = [this.x, this.y, width];
    const text = makeSvg("text", { class: inPrompt ? "gx-node gx-node-prompt" : "gx-node", x: this.x + 3, y: this.y, tabindex: node.number ? -1 : 0, role: "img", "data-n": node.number });
    text.textContent = shown;
    text.setAttribute("aria-label", shown);
    this.texts.append(text);
    node.mark = text;
    this.x += width + GRAPH_GAP;
  }

  /** An edge: nothing where a new token stands next to the one before; else an arc, or a bar under neighbours. */
  join({ from, node, edge, fresh }) {
    const neighbours = node.number === from.number + 1;
    if (fresh && neighbours) return;
    if (!edge.mark) {
      const [x1, y1, w1] = from.at;
      const [x2, y2, w2] = node.at;
      const flat = neighbours && y1 === y2;
      const a = [x1 + w1 / 2, y1 - 14];
      const b = [x2 + w2 / 2, y2 - 14];
      const lift = Math.min(26, 9 + Math.abs(a[0] - b[0]) / 14);
      const path = flat ? `M${a[0]} ${y1 + 5}H${b[0]}` : from === node ? `M${a[0] - 4} ${a[1]}c-6 -16 14 -16 8 0` : `M${a[0]} ${a[1]}C${a[0]} ${a[1] - lift} ${b[0]} ${b[1] - lift} ${b[0]} ${b[1]}`;
      edge.mark = makeSvg("path", { d: path });
      this.arcs.append(edge.mark);
    }
    const lit = edge.mark.classList.contains("gx-arc-lit") ? " gx-arc-lit" : "";
    edge.mark.setAttribute("class", (fresh ? "gx-arc gx-arc-out" : `gx-arc gx-arc-${Math.max(1, edge.depth)}`) + lit);
    edge.mark.style.strokeWidth = `${Math.min(4.5, 1 + Math.log2(edge.count) / 1.5).toFixed(2)}px`;
  }

  bar({ depth }, token) {
    const x = token.i * this.stepWidth;
    const notes = token.o || {};
    if (depth) this.bars.append(makeSvg("rect", { class: `gx-depth gx-depth-${depth}`, x, y: GRAPH_STRIP.base - depth * GRAPH_STRIP.unit, width: Math.max(1, this.stepWidth - 1), height: depth * GRAPH_STRIP.unit }));
    if (notes.resistance > 0) this.bars.append(makeSvg("rect", { class: "gx-resistance", x, y: GRAPH_STRIP.base + 1, width: Math.max(1, this.stepWidth - 1), height: Math.min(1, notes.resistance) * 16 }));
    if (notes.rerouted) this.bars.append(makeSvg("path", { class: "gx-turn", d: `M${x + this.stepWidth / 2} ${GRAPH_STRIP.base + 19}l-4 8h8z` }));
  }

  showHere() {
    if (this.here) this.here.classList.remove("gx-node-here");
    this.here = this.current && this.current.mark;
    if (this.here) this.here.classList.add("gx-node-here");
  }

  /** Shows the ways to and from one node; null shows all alike. */
  light(node) {
    for (const mark of this.lit || []) mark.classList.remove("gx-arc-lit");
    const own = node ? [...this.walk.edges.values()].filter((edge) => edge.mark && (edge.from === node || edge.to === node)) : [];
    this.lit = own.map((edge) => edge.mark);
    for (const mark of this.lit) mark.classList.add("gx-arc-lit");
    this.svg.classList.toggle("gx-graph-lit", this.lit.length > 0);
  }

  nodeOf(target) {
    const mark = target instanceof Element ? target.closest(".gx-node") : null;
    return mark ? this.walk.nodes[Number(mark.dataset.n)] : null;
  }

  tell(target) {
    const node = this.nodeOf(target);
    if (!node) return;
    this.light(node);
    const on = [...node.on].sort((one, other) => other[1] - one[1]);
    const ways = on.slice(0, 6).map(([to, count]) => `“${quotePiece(to.piece)}” ${count}×`).join(", ");
    const more = on.length > 6 ? ` and ${on.length - 6} more` : "";
    const step = node.first - this.prompt.length;
    const first = step < 0 ? "first in the prompt" : `first at token ${step}`;
    setText(this.read, `“${quotePiece(node.piece)}”: ${plural(node.visits, "visit")}, ${first}; ${on.length ? `ways on: ${ways}${more}` : "no way on"}`);
  }

  key(event) {
    const node = this.nodeOf(event.target);
    const to = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
    if (!node) return;
    if (event.key === "Enter") this.pin(event.target);
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const other = this.walk.nodes[clamp(node.number + to, 0, this.walk.nodes.length - 1)];
    node.mark.setAttribute("tabindex", -1);
    other.mark.setAttribute("tabindex", 0);
    other.mark.focus();
  }

  pin(target) {
    const node = this.nodeOf(target);
    const step = node ? node.first - this.prompt.length : -1;
    if (step >= 0) this.onPin(step);
  }
}

class GraphSection {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
    this.views = [0, 1].map((side) => new GraphView((step) => this.pin(side, step)));
    this.go = make("button", { class: "gx-button", type: "button", text: "Run greedy and momentum", title: "The prompt above, by both, beside each other", onclick: () => this.run() });
    this.say = make("p", { class: "gx-soft" });
    this.element = make("section", { class: "gx-loop-part gx-graph", "aria-label": "Graph of tokens" },
      make("h3", { text: "The walk on the graph of tokens" }),
      make("p", { class: "gx-soft", text: "Each token stands once, where it was first said. A return is an arc to its node, the wider the more often it was walked; a bar under two neighbours says that they followed each other again. Colour is the circular depth: how many of the latest tokens, up to 5, went the same way before. Point at a token, or walk with the arrow keys, to see its own ways. Momentum decoding makes such a return pay: bars below the strip are the resistance of the token it took, triangles are tokens at which it refused the likeliest." }),
      make("div", { class: "gx-row" }, this.go, this.legend()),
      this.say,
      make("div", { class: "gx-graph-lanes" }, ...this.views.map((view) => view.element)),
    );
    this.shown = [];
    this.drawLanes();
    new ResizeObserver(() => this.resize()).observe(this.element);
  }

  legend() {
    const swatches = [1, 2, 3, 4, 5].map((depth) => make("span", { class: `gx-depth-key gx-depth-key-${depth}`, text: String(depth) }));
    return make("span", { class: "gx-row gx-soft" }, "circular depth ", ...swatches);
  }

  run() {
    this.page.run(GRAPH_SPECS);
  }

  pin(side, step) {
    const stage = this.page.stage;
    const lane = stage && stage.lanes[this.shown[side]];
    if (!lane || step >= lane.spans.length) return;
    stage.cursor.pin(lane, step);
    stage.cursor.reveal(step);
  }

  /** The lane that is taken apart, and beside it one by momentum, or the next. */
  pick(run, chosen) {
    const count = run.lanes.length;
    if (count < 2) return count ? [0] : [];
    const first = clamp(chosen, 0, count - 1);
    const momentum = run.lanes.findIndex((lane, k) => k !== first && (lane.spec || "").includes("momentum"));
    const other = momentum >= 0 ? momentum : (first + 1) % count;
    return [first, other].sort((one, two) => one - two);
  }

  /** While a run is made. */
  live(run) {
    this.draw(run, this.pick(run, 0));
  }

  draw(run, wanted) {
    // Drawn anew for its width, a run may just have taken the place of one with more lanes.
    const lanes = wanted.filter((number) => run.lanes[number]);
    this.shown = lanes;
    const { header } = run;
    if (!header) return;
    const whole = header.prompt.tokens;
    const { pieces } = header.prompt;
    const long = whole > pieces.length ? `The prompt has ${formatCount(whole)} tokens: its last ${formatCount(pieces.length)} are drawn, and depths count from there. ` : "";
    const most = lanes.some((number) => run.lanes[number].tokens.length > GRAPH_MOST) ? `The first ${formatCount(GRAPH_MOST)} tokens of a lane are drawn.` : "";
    setText(this.say, long + most);
    lanes.forEach((number, side) => {
      const lane = run.lanes[number];
      setText(this.views[side].title, lane.title);
      this.views[side].feed(lane, pieces, Math.max(lane.tokens.length, header.max_new_tokens || 0));
    });
    this.drawLanes();
  }

  drawLanes() {
    this.views.forEach((view, side) => (view.element.hidden = side >= this.shown.length));
  }

  /** Another width: lines break elsewhere. */
  resize() {
    const view = this.views[0];
    const width = Math.max(240, view.element.clientWidth || 0);
    if (view.element.hidden || width === view.width || !this.run_) return;
    for (const one of this.views) one.lane = null;
    this.draw(this.run_, this.shown);
    this.tellFigures();
  }

  /** @param {object} state of the page */
  async show(state) {
    this.run_ = this.page.stage ? this.page.stage.run : null;
    if (!state.lanes.length || !this.run_) {
      this.shown = [];
      this.drawLanes();
      return;
    }
    this.draw(this.run_, this.pick(this.run_, state.lane));
    const found = await this.page.bridge.ask({ ask: "graph" });
    this.figures = found && !found.error ? found.lanes : [];
    this.tellFigures();
  }

  tellFigures() {
    this.views.forEach((view, side) => {
      const data = (this.figures || [])[this.shown[side]];
      if (!data || view.element.hidden) return;
      const closed = data.closed ? `the walk closes a circle of ${plural(data.closed.length, "token")} at token ${data.closed.step}` : "the walk closes no circle";
      const turned = data.turns.length ? ` It turned away ${data.turns.length === 1 ? "once" : `${data.turns.length} times`} and paid a resistance of ${data.resistance.toFixed(2)} in all.` : "";
      const turns = data.turns.slice(0, 40).map(({ step, refused, depth, paid }) => make("li", {}, make("button", { class: "gx-button gx-quiet", type: "button", text: `token ${step}`, onclick: () => this.pin(side, step) }), ` refused “${quotePiece(refused)}” (depth ${depth}), paid ${formatBits(paid)}`));
      view.sum.replaceChildren(
        `${plural(data.nodes, "node")}, ${plural(data.edges, "edge")}, ${plural(data.returns, "return")}: ${closed}.${turned}`,
        ...(turns.length ? [make("details", {}, make("summary", { text: "What it refused" }), make("ul", { class: "gx-turns" }, ...turns))] : []),
      );
    });
  }
}
