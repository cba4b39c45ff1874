// The Latent page: a language, one of its spaces, a map of it, and four things to do there.

const FINE_GRID = 72;
const COARSE_GRID = 24;
const SETTLE_MS = 160;
const UMAP_POLL_MS = 700;

const EXAMPLES = {
  toy: ["is it a red ball", "the teachers are holding eleven small keys"],
  dialogue: ["is it a person?", "what time does it start?"],
};
const MODEL_EXAMPLES = [", there was a little girl named Lily.", " there lived a small dog."];

const SPACE_WORDS = {
  ariel: "Boxes: a sentence fills a part of the square as large as it is likely, so every point says a sentence of the language.",
  ariel_lm: "Boxes cut by a small trained language model: likely sentences fill much, unlikely ones little.",
  vae: "A variational autoencoder: a recurrent network reads a point; training kept points near a Gaussian cloud.",
  ae: "A plain autoencoder: only the points of the training sentences had to mean something.",
  transformer: "An autoencoder of attention layers: a point is all the decoder knows of the sentence.",
};

class LatentPage {
  /** @param {Element} root @param {{worlds: Array<object>}} config */
  constructor(root, config) {
    this.root = root;
    this.worlds = config.worlds;
    this.tables = config.tables || [];
    this.bridge = bridgeOf("latent");
    this.colours = new LatentColours();
    this.cells = new CellLayer(this.colours);
    this.patches = new PatchLayer(this.colours);
    this.points = new PointLayer(this.colours);
    this.wayLayer = new WayLayer(this.colours);
    this.trip = new TripLayer();
    this.pinLayer = new PinLayer();
    this.prefix = [];
    this.kind = "axes";
    this.axes = [0, 1];
    this.texts = null;
    this.started = false;
    this.world = this.worlds[0];
    this.build();
    // Nothing is asked before somebody looks.
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.start()).observe(root);
    new MutationObserver(() => this.onTheme()).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    new MutationObserver(() => this.onTheme()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  build() {
    this.root.classList.add("gx", "gx-latent");
    this.view = new LatentView({
      onWindow: (byHand) => this.onWindow(byHand),
      onPick: (place, event) => this.onPick(place, event),
      onHover: (place, event) => this.onHover(place, event),
      onLasso: (polygon) => this.onLasso(polygon),
      onReset: () => this.reset(),
    });
    this.view.layers = [this.patches, this.cells, this.trip, this.points, this.wayLayer, this.pinLayer];
    this.card = make("div", { class: "gx-map-card", hidden: true });
    this.pointPanel = new PointPanel(this);
    this.sample = new SamplePanel(this);
    this.walk = new WalkPanel(this);
    this.tripPanel = new TripPanel(this);
    this.table = new TablePanel(this);
    this.panels = { sample: this.sample, walk: this.walk, trip: this.tripPanel, table: this.table };
    const doing = [["sample", "Sample"], ["walk", "Walk"], ["trip", "Round trip"], ["table", "Table"]];
    this.tabs = tabRow("What to do on the map", doing, "sample", (key) => this.showPanel(key));
    this.showPanel("sample");
    this.root.replaceChildren(
      this.chooser(),
      make(
        "div",
        { class: "gx-latent-grid" },
        make("div", { class: "gx-map-side" }, this.toolbar(), make("div", { class: "gx-map-box" }, this.view.canvas, this.card), this.legend),
        make("div", { class: "gx-do-side" }, this.pointPanel.root, this.tabs.root, ...Object.values(this.panels).map((panel) => panel.root)),
      ),
    );
    this.showSpaces();
  }

  showPanel(key) {
    for (const [name, panel] of Object.entries(this.panels)) panel.root.hidden = name !== key;
  }

  chooser() {
    this.languageBox = choiceBox("language", this.worlds.map((world) => [world.name, world.title]), this.world.name, (name) => {
      this.world = this.worlds.find((world) => world.name === name);
      this.showSpaces();
      this.change();
    });
    this.spaceSlot = make("span", {});
    this.sizeSlot = make("span", {});
    this.orderBox = choiceBox("order of the words", [["alphabet", "alphabet"], ["meaning", "by meaning"]], "alphabet", () => this.change(), {
      title: "AriEL's neighbours follow the order of the vocabulary. By meaning, words that are used alike stand side by side.",
    });
    this.promptBox = textBox("after the prompt", "", { onchange: () => this.change() });
    this.about = make("p", { class: "gx-soft gx-about" });
    return make("div", { class: "gx-chooser" }, make("div", { class: "gx-fields" }, this.languageBox, this.spaceSlot, this.sizeSlot, this.orderBox, this.promptBox), this.about);
  }

  toolbar() {
    this.planeBox = choiceBox("map", [], "", (kind) => this.setPlane(kind));
    this.colourBox = choiceBox("colour", LATENT_COLOURS, this.colours.by, (by) => {
      this.colours.setBy(by);
      this.drawLegend();
      this.view.draw();
    });
    const press = (text, label, onclick) => make("button", { class: "gx-button", type: "button", text, "aria-label": label, title: label, onclick });
    this.lassoButton = press("Select", "Draw around points to select them (or hold Shift)", () => {
      this.view.selecting = !this.view.selecting;
      this.lassoButton.setAttribute("aria-pressed", String(this.view.selecting));
    });
    this.lassoButton.setAttribute("aria-pressed", "false");
    this.legend = make("div", { class: "gx-legend gx-map-legend" });
    this.where = make("p", { class: "gx-soft gx-where", role: "status" });
    this.made = make("progress", { class: "gx-meter", max: "1", "aria-label": "UMAP" });
    this.made.hidden = true;
    this.through = make("div", { class: "gx-fields", hidden: true });
    return make(
      "div",
      { class: "gx-map-bar" },
      make(
        "div",
        { class: "gx-fields" },
        this.planeBox,
        this.colourBox,
        make("span", { class: "gx-zooms" }, press("+", "Zoom in (+)", () => this.view.zoom(1 / ZOOM_STEP ** 2)), press("−", "Zoom out (−)", () => this.view.zoom(ZOOM_STEP ** 2)), press("Whole", "Show all of the space (0)", () => this.reset()), this.lassoButton),
      ),
      this.through,
      this.where,
      this.made,
    );
  }

  // Which space.

  examples() {
    return EXAMPLES[this.world.name] || MODEL_EXAMPLES;
  }

  get space() {
    return this.world.spaces.find((space) => space.name === fieldOf(this.spaceBox).value) || this.world.spaces[0];
  }

  get dimensions() {
    return Number(fieldOf(this.sizeBox).value);
  }

  get order() {
    return this.space.orders.includes("meaning") ? fieldOf(this.orderBox).value : "alphabet";
  }

  /** Whether the map is drawn of boxes: the order of AriEL's cuts is what it shows. */
  get isNested() {
    return this.space.boxes && this.dimensions <= 2 && this.kind === "axes";
  }

  /** What stands between two words: a model's tokens bring their own spaces. */
  get joint() {
    return this.world.prompt === null ? " " : "";
  }

  showSpaces() {
    const { spaces } = this.world;
    this.promptBox.hidden = this.world.prompt === null;
    fieldOf(this.promptBox).value = this.world.prompt || "";
    this.spaceBox = choiceBox("space", spaces.map((space) => [space.name, space.title]), spaces[0].name, () => {
      this.showSizes();
      this.change();
    });
    this.spaceSlot.replaceChildren(this.spaceBox);
    this.showSizes();
  }

  showSizes() {
    const { sizes } = this.space;
    const before = this.sizeBox ? this.dimensions : 2;
    const kept = sizes.includes(before) ? before : sizes.includes(2) ? 2 : sizes[0];
    this.sizeBox = choiceBox("dimensions", sizes.map((size) => [size, String(size)]), kept, () => this.change());
    this.sizeSlot.replaceChildren(this.sizeBox);
  }

  ref() {
    const ref = { language: this.world.name, space: this.space.name, dimensions: this.dimensions, order: this.order };
    return this.world.prompt === null ? ref : { ...ref, prompt: fieldOf(this.promptBox).value };
  }

  async ask(question) {
    const asked = JSON.stringify(this.ref());
    const found = await this.bridge.ask({ ...this.ref(), ...question });
    // The answer of a space that was left says nothing of this one.
    return JSON.stringify(this.ref()) === asked ? found : null;
  }

  start() {
    if (this.started) return;
    this.started = true;
    this.colours.refresh();
    this.change();
  }

  /** Another space: everything on the map is of the last one. */
  change() {
    this.kind = "axes";
    this.axes = [0, 1];
    this.made.hidden = true;
    this.orderBox.hidden = !this.space.orders.includes("meaning");
    const model = "Boxes over what a language model says after a prompt, at most 24 tokens: its likely continuations fill most of the square. Sentences that you type are continuations, so begin them with a space where one belongs.";
    setText(this.about, this.world.prompt === null ? SPACE_WORDS[this.space.name] || "" : model);
    for (const layer of [this.cells, this.patches]) layer.show(null);
    this.pinLayer.place = null;
    this.pointPanel.empty();
    for (const panel of Object.values(this.panels)) panel.clear();
    this.showPlanes();
    this.drawLegend();
    this.reset();
  }

  // Which plane.

  showPlanes() {
    const d = this.dimensions;
    const planes = [["axes", d === 1 ? "the only axis" : "axes 1 and 2"]];
    if (d > 2) {
      planes.push(["pca", "PCA of the sample"], ["umap", "UMAP of the sample"], ["through", "through three sentences"]);
    }
    const box = choiceBox("map", planes, this.kind, (kind) => this.setPlane(kind));
    this.planeBox.replaceWith(box);
    this.planeBox = box;
    this.through.hidden = true;
  }

  plane(wanted = this.kind) {
    const kind = this.dimensions > 2 ? wanted : "axes";
    if (kind === "way" && this.walk.way) return { kind, texts: this.walk.way.texts };
    if (kind === "through" && this.texts) return { kind, texts: this.texts };
    if (kind === "pca" || kind === "umap") return { kind: "pca" };
    return { kind: "axes", axes: this.axes };
  }

  setPlane(kind) {
    if ((kind === "pca" || kind === "umap") && !this.sample.sample) {
      fieldOf(this.planeBox).value = this.kind;
      setText(this.where, "Sample first: this map is made of the sampled points.");
      return;
    }
    this.kind = kind;
    this.made.hidden = true;
    this.through.hidden = kind !== "through";
    this.patches.show(null);
    this.cells.show(null);
    this.showWay(null);
    this.pinLayer.place = null;
    if (kind === "through") this.askTexts();
    else if (kind === "umap") this.askUmap();
    else this.placePoints();
  }

  askTexts() {
    const [one, other] = this.examples();
    const boxes = [one, other, this.sample.rows[0] ? this.sample.rows[0].text : ""].map((text, k) => textBox("ABC"[k], text));
    const show = make("button", { class: "gx-button", type: "button", text: "Show the plane", onclick: () => {
      this.texts = boxes.map((box) => fieldOf(box).value);
      this.placePoints();
    } });
    this.through.replaceChildren(...boxes, show);
  }

  /** Puts the sampled points on the plane that is looked at, and looks at all of it. */
  async placePoints() {
    if (!this.sample.sample) {
      this.reset();
      return;
    }
    const found = await this.ask({ ask: "places", sample: this.sample.sample, plane: this.plane() });
    if (!found) return;
    if (found.error) {
      showProblem(this.where, found.error);
      return;
    }
    this.points.places = found.places;
    this.look(found);
  }

  async askUmap() {
    // PCA at once; UMAP when it is there.
    await this.placePoints();
    await this.awaitUmap();
    if (this.kind !== "umap") this.made.hidden = true;
  }

  async awaitUmap() {
    const began = performance.now();
    while (this.kind === "umap") {
      const found = await this.ask({ ask: "umap", sample: this.sample.sample });
      if (!found || this.kind !== "umap") return;
      this.made.hidden = found.state !== "working";
      if (found.error || found.state === "failed") {
        showProblem(this.where, found.error || { message: found.message, hint: "Use PCA instead." });
        return;
      }
      if (found.state === "ready") {
        this.patches.show(null);
        this.points.places = found.places;
        this.look({ window: boundsOf(found.places), about: "UMAP: near points stay near, distances mean little; a click takes the nearest point" });
        return;
      }
      this.showMaking(found, Math.round((performance.now() - began) / 1000));
      await new Promise((resolve) => setTimeout(resolve, UMAP_POLL_MS));
    }
  }

  showMaking({ stage, share }, seconds) {
    const far = isNumber(share) ? ` (${formatPercent(share)})` : "";
    showWords(this.where, `UMAP is being made, ${seconds} s: ${stage}${far}. The first one takes half a minute; the map shows PCA meanwhile.`);
    if (isNumber(share)) this.made.value = share;
    else this.made.removeAttribute("value");
  }

  look({ window: bounds, about }) {
    showWords(this.where, about || "");
    this.whole = bounds;
    this.view.setWhole(bounds);
  }

  // Looking.

  reset() {
    this.prefix = [];
    if (this.isNested) {
      this.whole = [0, 0, 1, 1];
      this.view.setWhole(this.whole);
    } else if (this.whole && this.patches.map) {
      this.view.setWhole(this.whole);
    } else {
      this.wantWhole = true;
      this.redraw();
    }
  }

  onWindow(byHand) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.redraw(), byHand ? SETTLE_MS : 0);
  }

  async redraw() {
    if (!this.started || this.kind === "umap") return;
    if (this.isNested) await this.askCells();
    else if (this.world.prompt !== null) {
      // A grid of points would cost a model minutes: one tells which window shows the plane.
      if (this.wantWhole) await this.askPatches(1);
    } else {
      await this.askPatches(COARSE_GRID);
      if (this.patches.map) await this.askPatches(FINE_GRID);
    }
  }

  async askCells() {
    const asked = [...this.view.window];
    const prefix = [...this.prefix];
    const found = await this.ask({ ask: "cells", prefix, window: asked, pixels: Math.round(clamp(this.view.width, 50, 4000)) });
    if (!found || !this.isNested) return;
    if (found.error) {
      showProblem(this.where, found.error);
      return;
    }
    this.cells.show(found);
    const now = this.view.window;
    const moved = now.some((edge, k) => edge !== asked[k]);
    // The frame may have changed: the window that is looked at now is told in the new one.
    const scale = [0, 1].map((k) => (found.window[k + 2] - found.window[k]) / (asked[k + 2] - asked[k]));
    this.prefix = found.prefix;
    this.view.box = found.box;
    this.view.window = now.map((edge, k) => found.window[k % 2] + (edge - asked[k % 2]) * scale[k % 2]);
    const said = found.prefix_words.join(this.joint);
    showWords(this.where, said ? `within “${said} …”` : "the whole space: area is probability");
    this.view.draw();
    if (moved) this.onWindow(true);
  }

  async askPatches(size) {
    const asked = this.wantWhole ? null : [...this.view.window];
    const found = await this.ask({ ask: "patches", plane: this.plane(), window: asked, columns: size, rows: size });
    if (!found || this.isNested || this.kind === "umap") return;
    if (found.error) {
      showProblem(this.where, found.error);
      return;
    }
    if (size > 1) this.patches.show(found);
    const read = size > 1 ? `${plural(found.sentences.length, "different sentence")} on ${formatCount(size * size)} points` : "sample points, or click to read one";
    showWords(this.where, `${found.about}; ${read}`);
    if (this.wantWhole) {
      this.wantWhole = false;
      this.whole = found.window;
      this.view.whole = found.window;
      this.view.window = found.window;
    }
    this.view.draw();
  }

  onHover(place, event) {
    if (!place) {
      this.card.hidden = true;
      this.hoverPoint(-1);
      return;
    }
    const screen = [this.view.x(place[0]), this.view.y(place[1])];
    const number = this.points.near(screen, this.view);
    this.hoverPoint(number);
    const text = number >= 0 ? this.points.rows[number].text : this.textAt(place);
    this.card.hidden = !text;
    if (!text) return;
    setText(this.card, text);
    const box = this.view.canvas.getBoundingClientRect();
    const left = event.clientX - box.left;
    this.card.style.left = `${clamp(left + 14, 4, Math.max(4, box.width - 270))}px`;
    this.card.style.top = `${clamp(event.clientY - box.top + 16, 4, box.height - 30)}px`;
  }

  textAt(place) {
    if (this.isNested) {
      const found = this.cells.at(place);
      return found ? `${found.words.join(this.joint)}${found.ended ? "" : " …"} · ${formatPercent(found.share)} of the space` : "";
    }
    const row = this.patches.at(place);
    return row ? row.text || "(nothing)" : "";
  }

  hoverPoint(number) {
    if (this.points.hovered === number) return;
    this.points.hovered = number;
    this.view.draw();
  }

  // Choosing.

  onPick(place) {
    const number = this.points.near([this.view.x(place[0]), this.view.y(place[1])], this.view);
    if (number >= 0) this.pickPoint(number);
    else if (this.kind === "umap") setText(this.where, "A UMAP map cannot be read between its points: click one.");
    else if (this.isNested) this.pin({ prefix: this.prefix, place });
    else this.pin({ place });
  }

  pickPoint(number) {
    if (this.sample.sample === null) return;
    this.pin({ sample: this.sample.sample, number });
  }

  onLasso(polygon) {
    const inside = new Set();
    const { low, width } = this.view.box;
    this.points.places.forEach(([x, y], number) => {
      const place = [(x - low[0]) / width[0], (y - low[1]) / width[1]];
      if (number < this.points.rows.length && isInside(place, polygon)) inside.add(number);
    });
    this.tabs.show("sample");
    this.showPanel("sample");
    this.sample.choose(inside);
    if (inside.size === 0) setText(this.where, this.points.rows.length ? "No point lies inside the line." : "There are no points to select: sample first.");
  }

  async pin(question) {
    const found = await this.ask({ ask: "point", plane: this.plane(), ...question });
    if (!found) return;
    if (found.error) {
      this.pointPanel.empty();
      showProblem(this.where, found.error);
      return;
    }
    this.showPin(found);
  }

  showPin(found) {
    this.pinLayer.place = this.kind === "umap" && isNumber(found.number) ? this.points.places[found.number] : found.place;
    this.pinLayer.code = this.kind === "umap" || !found.code_place ? null : found.code_place;
    this.pointPanel.show(found);
    this.view.draw();
  }

  /** A slider moved: the point is read again, as often as answers come. */
  async nudge(point) {
    const found = await this.ask({ ask: "point", plane: this.plane(), point });
    if (!found || found.error) return;
    this.pinLayer.place = this.kind === "umap" ? null : found.place;
    this.pinLayer.code = found.code_place && this.kind !== "umap" ? found.code_place : null;
    this.pointPanel.refresh(found);
    this.view.draw();
  }

  bounds(point) {
    if (this.space.boxes) return { low: point.map(() => 0), high: point.map(() => 1) };
    const { low, high } = this.space.bounds[this.dimensions] || { low: point.map(() => -3), high: point.map(() => 3) };
    return { low: low.map((edge, k) => Math.min(edge, point[k])), high: high.map((edge, k) => Math.max(edge, point[k])) };
  }

  // What the panels put on the map.

  showSample(found) {
    this.points.places = found.places;
    if (this.dimensions > 2) {
      this.kind = "pca";
      fieldOf(this.planeBox).value = "pca";
      this.through.hidden = true;
      this.look(found);
    } else {
      this.reset();
    }
  }

  showWay(way) {
    this.wayLayer.way = way;
    this.wayLayer.at = 0;
    if (way && this.dimensions > 2) {
      this.kind = "way";
      this.patches.show(null);
      this.points.places = [];
      this.pinLayer.place = null;
      this.whole = way.window;
      this.view.setWhole(way.window);
      showWords(this.where, way.about);
    } else if (way) {
      this.reset();
    } else if (this.kind === "way") {
      this.kind = "axes";
      fieldOf(this.planeBox).value = "axes";
      this.placePoints();
    }
    this.view.draw();
  }

  /** Looks at what is left of the square after a word of the round trip. */
  zoomTo({ low, width }) {
    if (this.dimensions > 2) return;
    this.prefix = [];
    this.view.box = { low: [0, 0], width: [1, 1] };
    const flat = low.length < 2;
    const [y, height] = flat ? [0, 1] : [low[1], width[1]];
    // Just inside, so that the box itself becomes the frame.
    const inset = 0.002;
    const edges = (start, size) => [start + inset * size, start + (1 - inset) * size];
    const [[x0, x1], [y0, y1]] = [edges(low[0], width[0]), edges(y, height)];
    this.view.setWindow([x0, y0, x1, y1]);
  }

  drawLegend() {
    const entries = this.colours.legend(this.world.judged);
    const said = entries.map(([colour, text]) => {
      const swatch = make("span", { class: "gx-key" });
      swatch.style.background = colour;
      return make("span", { class: "gx-key-entry" }, swatch, text);
    });
    if (this.world.judged) said.push(make("span", { class: "gx-key-entry", text: "× is no sentence of the language" }));
    this.legend.replaceChildren(...said);
  }

  onTheme() {
    const before = this.colours.dark;
    this.colours.refresh();
    if (before === this.colours.dark) return;
    this.drawLegend();
    this.view.draw();
  }
}

/** The window that shows places with some air around them. */
function boundsOf(places) {
  const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const half = 0.56 * Math.max(x1 - x0, y1 - y0, 1e-6);
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  return [x - half, y - half, x + half, y + half];
}
