// The stage: lanes, inspector and metric table of one run, drawn from the wire's string.

const MAX_LANES = 8;
// The narrowest a lane may be and the space between two, in pixels; lanes.css knows the gap too.
const LANE_WIDTH = 260;
const LANE_GAP = 12;
// How long the page says why Run does nothing while a run is under way.
const REMINDER_MS = 2500;

class Stage {
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.readOnly = Boolean(options.readOnly);
    this.catalog = new Catalog(options.catalog);
    this.run = new Run();
    this.lanes = [];
    this.starting = false;
    this.ending = false;
    this.remindUntil = 0;
    this.pending = null;
    this.frame = 0;
    this.cursor = new Cursor(this);
    this.build();
    this.setColour(memory.get("colour", "surprisal"));
    this.toolbar.setTall(memory.get("tall", "no") === "yes");
    this.setSpecs(options.specs || []);
    this.showRun();
  }

  build() {
    this.toolbar = new Toolbar({
      readOnly: this.readOnly,
      onColour: (key) => this.setColour(key),
      onTall: (tall) => this.setTall(tall),
      onAdd: () => this.addLane(),
    });
    this.grid = make("div", { class: "gx-lanes", role: "region", "aria-label": "Lanes: one decoding method each" });
    this.strip = new Strip((index) => this.showLane(this.lanes[index]));
    this.inspector = new Inspector(
      (pin) => this.cursor.unpin(pin.source),
      (find) => this.openFind(find),
      this.options.onAsk || null,
      this.options.onFork || null,
    );
    this.tree = new TreePanel(() => this.onTree(null));
    this.table = new MetricTable();
    this.chart = this.options.chart ? new LineChart() : null;
    this.card = new HoverCard();
    this.root.classList.add("gx");
    this.root.replaceChildren(
      this.toolbar.root,
      this.strip.root,
      this.grid,
      this.tree.root,
      this.inspector.root,
      ...(this.chart ? [this.chart.root] : []),
      this.table.root,
    );
    // Cards of stages that are gone: the page may hold several, and mount one anew.
    for (const old of document.querySelectorAll("body > .gx-card")) if (!old.gxOwner.isConnected) old.remove();
    this.card.root.gxOwner = this.root;
    this.card.attach(document.body);
    this.narrow = window.matchMedia("(max-width: 640px)");
    this.narrow.addEventListener("change", () => this.drawStrip());
    listenToPointers(this);
    listenToKeys(this);
    new ResizeObserver(() => this.arrange()).observe(this.grid);
  }

  /** The lane and index of the token an element stands for or lies in. */
  locate(element) {
    const span = element instanceof Element ? element.closest(".gx-token") : null;
    const article = span && span.closest(".gx-lane");
    if (!article) return null;
    return { lane: article.gxLane, index: Number(span.dataset.i), span };
  }

  hover(element) {
    const here = this.locate(element);
    this.cursor.hover(here ? here.index : null);
    if (here) this.card.showToken(here.span, here.lane.run.tokens[here.index], here.index);
    else this.card.hide();
  }

  // What lanes ask of the page.

  onPick(lane, index) {
    this.cursor.pin(lane, index);
    this.cursor.reveal(index);
  }

  /** Pins a place worth a look; where two lanes part, both sides of it. */
  openFind({ lane, index, other }) {
    if (other) this.cursor.pin(other, index);
    this.cursor.pin(lane, index, Boolean(other));
    this.cursor.reveal(index);
    this.showLane(lane);
  }

  onHover(index) {
    this.cursor.hover(index);
  }

  onTip(anchor, about) {
    if (anchor) this.card.showMethod(anchor, about);
    else this.card.hide();
  }

  onEdit(lane, spec) {
    lane.setSpec(spec);
    this.ownLanes();
    if (!lane.run) lane.drawFooter();
    this.drawStrip();
  }

  onDuplicate(lane) {
    if (this.insertLane(lane.spec, this.lanes.indexOf(lane) + 1)) this.ownLanes();
  }

  onRemove(lane) {
    if (this.lanes.length === 1) return;
    this.card.hide();
    this.lanes = this.lanes.filter((one) => one !== lane);
    lane.root.remove();
    this.lanesChanged();
    if (this.options.onRemoved) this.options.onRemoved();
    this.ownLanes();
  }

  /** Shows a lane's tree of rows, or hides the one that is shown. */
  onTree(lane) {
    const before = this.tree.lane;
    this.tree.show(lane === before ? null : lane);
    for (const one of this.lanes) one.treeButton.setAttribute("aria-pressed", one === this.tree.lane ? "true" : "false");
    if (this.tree.lane) this.tree.root.scrollIntoView({ block: "nearest" });
    else if (before && before.root.isConnected) before.treeButton.focus({ preventScroll: true });
  }

  /** Somebody changed the lanes by hand. */
  ownLanes() {
    if (this.options.onOwnLanes) this.options.onOwnLanes();
  }

  onToken(detail) {
    if (this.options.onToken) this.options.onToken(detail);
  }

  // Lanes and their methods.

  specs() {
    return this.lanes.map((lane) => lane.spec);
  }

  setSpecs(specs) {
    const wanted = specs.slice(0, MAX_LANES);
    while (this.lanes.length > wanted.length) this.lanes.pop().root.remove();
    wanted.forEach((spec, index) => {
      if (this.lanes[index]) this.lanes[index].setSpec(spec);
      else this.appendLane(spec);
    });
    for (const lane of this.lanes) if (lane.editor) lane.toggleEditor(false);
    this.lanesChanged();
  }

  makeLane(spec) {
    const lane = new Lane(this, spec);
    const used = new Set(this.lanes.map((other) => other.colour));
    const free = [...PALETTE.laneColours.keys()].find((number) => !used.has(number));
    lane.setColour(free ?? 0);
    return lane;
  }

  appendLane(spec) {
    const lane = this.makeLane(spec);
    this.lanes.push(lane);
    this.grid.append(lane.root);
    return lane;
  }

  insertLane(spec, place) {
    if (this.lanes.length >= MAX_LANES) return null;
    const lane = this.makeLane(spec);
    this.lanes.splice(place, 0, lane);
    this.grid.insertBefore(lane.root, this.grid.children[place] || null);
    this.lanesChanged();
    this.showLane(lane);
    return lane;
  }

  addLane() {
    const used = new Set(this.lanes.map((lane) => lane.spec.split(/[:+]/)[0]));
    const entry = this.catalog.entries.find((candidate) => !used.has(candidate.name));
    const name = entry ? entry.name : "greedy";
    const lane = this.insertLane(this.catalog.format([this.catalog.stage(name)]), this.lanes.length);
    if (!lane) return;
    this.ownLanes();
    lane.toggleEditor(true);
    lane.root.scrollIntoView({ block: "nearest" });
    lane.editor.pickFor(0);
  }

  lanesChanged() {
    this.lanes.forEach((lane, index) => lane.setNumber(index, this.lanes.length));
    this.grid.dataset.count = this.lanes.length;
    this.toolbar.showLaneCount(this.lanes.length, MAX_LANES);
    if (!this.lanes.includes(this.active)) this.active = this.lanes[0];
    const treeGone = this.tree.lane && (!this.lanes.includes(this.tree.lane) || (this.tree.lane.run && !(this.tree.lane.run.rows > 1)));
    if (treeGone) this.tree.show(null);
    this.arrange();
    this.cursor.prune();
    this.drawStrip();
    this.drawTable();
  }

  /** As many columns as fit, then as even rows as that allows. */
  arrange() {
    const fit = Math.max(1, Math.floor((this.grid.clientWidth + LANE_GAP) / (LANE_WIDTH + LANE_GAP)));
    const rows = Math.max(1, Math.ceil(this.lanes.length / fit));
    const columns = Math.max(1, Math.ceil(this.lanes.length / rows));
    if (this.columns !== columns) {
      this.columns = columns;
      this.grid.style.setProperty("--gx-columns", columns);
    }
    this.settle();
    if (this.chart && this.run.header) this.drawChart();
  }

  // The run.

  get busy() {
    return this.starting || this.run.running;
  }

  /** Run was asked for: the page answers before the server does. */
  begin() {
    this.starting = true;
    this.run.error = null;
    for (const lane of this.lanes) {
      lane.sent = lane.spec;
      if (lane.editor) lane.toggleEditor(false);
    }
    this.showRun();
    return this.specs();
  }

  /** Stop was asked for; what is still on its way is drawn. */
  stopping() {
    this.ending = this.busy;
    this.showRun();
  }

  /** The server's answer is complete, whether or not it said that it was done. */
  settled() {
    if (this.frame) {
      cancelAnimationFrame(this.frame);
      this.flush();
    }
    this.starting = false;
    this.run.closed = true;
    this.showRun();
  }

  /** Takes the whole string so far; drawing waits for the next frame. */
  update(value) {
    this.pending = value;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    const changes = this.run.feed(this.pending);
    if (changes.fresh || changes.any) this.starting = false;
    if (changes.fresh) this.cursor.unpin();
    if (changes.header) this.attachLanes();
    for (const [index, change] of changes.lanes) {
      const lane = this.lanes.find((candidate) => candidate.run === this.run.lanes[index]);
      if (lane && !changes.header) lane.draw(change);
    }
    if (changes.lanes.size > 0) {
      this.cursor.prune();
      this.cursor.ensureTabStop();
      this.settle();
    }
    this.tree.refresh();
    this.drawTable();
    this.drawStrip();
    this.showRun();
    if (this.chart && this.run.header) this.drawChart();
    if (this.run.done && this.onceDone) {
      const { onceDone } = this;
      this.onceDone = null;
      onceDone();
    }
    if (this.run.done || changes.fresh) {
      const lanes = this.run.done ? this.lanes.filter((lane) => lane.run) : [];
      this.inspector.offer(placesToLook(lanes));
    }
  }

  attachLanes() {
    this.run.lanes.forEach((runLane, index) => {
      const lane = this.lanes[index] || this.appendLane(runLane.spec);
      lane.attach(runLane, this.run.header.max_new_tokens);
      lane.setColour(index);
    });
    this.lanes.slice(this.run.lanes.length).forEach((lane) => (lane.run = null));
    this.lanesChanged();
  }

  settle() {
    for (const lane of this.lanes) lane.settle();
  }

  showRun() {
    this.ending = this.ending && this.busy;
    const reminded = this.busy && performance.now() < this.remindUntil;
    this.toolbar.showRun(this.run, { starting: this.starting, ending: this.ending, reminded });
    if (this.options.onBusy) this.options.onBusy(this.busy);
    if (!this.readOnly) document.body.classList.toggle("gx-running", this.busy);
    this.root.classList.toggle("gx-starting", this.starting);
    this.root.setAttribute("aria-busy", this.busy ? "true" : "false");
  }

  showPins(pins) {
    this.inspector.draw(
      pins.map((pin) => ({
        token: pin.lane.run.tokens[pin.index],
        index: pin.index,
        title: pin.lane.words(),
        colour: pin.lane.colour,
        source: pin,
        place: placeOfPin(this, pin),
      })),
    );
    if (this.options.onCursor) this.options.onCursor(pins.length ? pins[pins.length - 1].index : null);
  }

  drawTable() {
    this.table.draw(
      this.lanes.map((lane) => ({
        title: lane.words(),
        colour: lane.colour,
        metrics: lane.run ? lane.run.metrics : null,
      })),
    );
  }

  drawChart() {
    this.chart.draw(this.run.lanes, Math.max(2, ...this.run.lanes.map((lane) => lane.tokens.length)));
  }

  // Phones: one lane at a time, the others in a strip.

  drawStrip() {
    for (const lane of this.lanes) lane.root.classList.toggle("gx-active", lane === this.active);
    if (this.narrow.matches) this.strip.draw(this.lanes, this.active, this.run.header);
  }

  showLane(lane) {
    if (!lane || lane === this.active) return;
    this.active = lane;
    this.drawStrip();
    this.settle();
    if (this.narrow.matches) this.strip.reveal(this.lanes.indexOf(lane));
  }

  swipe(step) {
    if (!this.narrow.matches) return;
    this.showLane(this.lanes[clamp(this.lanes.indexOf(this.active) + step, 0, this.lanes.length - 1)]);
  }

  // Choices that last between visits.

  setColour(key) {
    const known = COLOUR_MODES.some((mode) => mode.key === key);
    this.root.dataset.colour = known ? key : "surprisal";
    this.toolbar.showColour(this.root.dataset.colour);
    memory.set("colour", this.root.dataset.colour);
  }

  setTall(tall) {
    this.root.classList.toggle("gx-tall-lanes", tall);
    memory.set("tall", tall ? "yes" : "no");
    this.settle();
  }

  requestRun() {
    if (this.busy) {
      this.remindUntil = performance.now() + REMINDER_MS;
      this.showRun();
    } else if (this.options.onRun) this.options.onRun();
  }

  requestStop() {
    if (this.options.onStop) this.options.onStop();
  }
}
