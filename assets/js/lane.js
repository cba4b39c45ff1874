// One lane: a decoding method, its text as a heatmap, its sparkline, how it ended.

let laneCount = 0;

class Lane {
  /**
   * @param {object} stage what the lane asks of the page: {catalog, readOnly, onEdit, onDuplicate,
   *   onRemove, onPick, onHover, onTip}
   * @param {string} spec canonical spec of its method
   */
  constructor(stage, spec) {
    this.stage = stage;
    this.spec = spec;
    this.sent = spec;
    this.run = null;
    this.spans = [];
    this.marked = [];
    this.id = `gx-lane-${(laneCount += 1)}`;
    this.follow = true;
    this.build();
    this.drawTitle();
    this.drawFooter();
  }

  build() {
    this.dot = make("span", { class: "gx-dot", "aria-hidden": "true" });
    this.title = make("h3", { class: "gx-title", id: `${this.id}-title` });
    this.sub = make("p", { class: "gx-sub" });
    this.buttons = make("div", { class: "gx-lane-buttons" });
    if (!this.stage.readOnly) this.buildButtons();
    const words = make("div", { class: "gx-lane-words" }, this.title, this.sub);
    this.head = make("header", { class: "gx-lane-head" }, this.dot, words, this.buttons);
    words.addEventListener("pointerenter", () => this.stage.onTip(words, this.about()));
    words.addEventListener("pointerleave", () => this.stage.onTip(null));
    this.brackets = make("div", { class: "gx-brackets", "aria-hidden": "true" });
    this.text = make("div", {
      class: "gx-text",
      role: "listbox",
      "aria-orientation": "horizontal",
      "aria-labelledby": `${this.id}-title`,
      dir: "auto",
    });
    this.blank = make("p", { class: "gx-blank-lane" });
    const scroll = make("div", { class: "gx-scroll" }, this.brackets, this.text, this.blank);
    scroll.addEventListener("scroll", () => this.noteScroll(), { passive: true });
    this.scroll = scroll;
    this.body = make("div", { class: "gx-lane-body" }, scroll);
    this.spark = new Sparkline(
      (index) => this.stage.onPick(this, Math.min(index, this.spans.length - 1)),
      (index) => this.stage.onHover(index),
    );
    this.counts = make("p", { class: "gx-counts" });
    this.note = make("p", { class: "gx-note" });
    this.treeButton = make("button", {
      class: "gx-button gx-quiet gx-tree-button",
      type: "button",
      text: "Tree",
      title: "All rows this method holds: what goes on, what ended, what was given up",
      onclick: () => this.stage.onTree(this),
    });
    this.treeButton.hidden = true;
    this.root = make(
      "article",
      { class: "gx-lane", id: this.id, "aria-labelledby": `${this.id}-title` },
      this.head,
      this.body,
      make("div", { class: "gx-spark-box" }, make("span", { class: "gx-spark-label", text: `entropy, 0 to ${PALETTE.tops.entropy} bits` }), this.spark.svg),
      make("footer", { class: "gx-lane-foot" }, this.treeButton, this.counts, this.note),
    );
    this.root.gxLane = this;
  }

  buildButtons() {
    const icon = (name, label, kind, onclick) =>
      makeIconButton(name, label, onclick, { class: `gx-icon ${kind}` });
    this.more = icon("more", "Settings of this method", "gx-more", () => this.toggleEditor());
    this.more.setAttribute("aria-expanded", "false");
    this.buttons.append(
      icon("copy", "Duplicate this lane", "gx-duplicate gx-late", () => this.stage.onDuplicate(this)),
      icon("close", "Remove this lane", "gx-remove gx-late", () => this.stage.onRemove(this)),
      this.more,
    );
  }

  setNumber(index, count) {
    this.index = index;
    this.root.dataset.lane = index;
    const remove = this.root.querySelector(".gx-remove");
    if (remove) remove.disabled = count === 1;
  }

  /** The colour stays the lane's own while others come and go: the plot shows the same one. */
  setColour(colour) {
    this.colour = colour;
    this.root.style.setProperty("--gx-lane", laneColour(colour));
  }

  get edited() {
    return Boolean(this.run) && this.spec !== this.run.spec;
  }

  words() {
    if (this.run && !this.edited) return this.run.title;
    try {
      return this.stage.catalog.title(this.stage.catalog.parse(this.spec));
    } catch {
      return this.spec;
    }
  }

  about() {
    const about = { title: this.words(), text: "", paper: this.run ? this.run.paper : "", spec: this.spec };
    try {
      const summary = this.stage.catalog.summary(this.stage.catalog.parse(this.spec));
      about.text = summary.text;
      about.lookFor = summary.lookFor;
      about.paper = about.paper || summary.paper;
    } catch {
      // A spec that the catalogue does not know still has its name to show.
    }
    about.muted = this.run && !this.edited ? this.run.muted || [] : [];
    return about;
  }

  drawTitle() {
    const about = this.about();
    setText(this.title, about.title);
    if (this.edited) setText(this.sub, "edited · Run to refresh");
    else if (about.muted.length) setText(this.sub, about.muted.join(" "));
    else setText(this.sub, about.paper || "");
    this.sub.classList.toggle("gx-warn", this.edited || about.muted.length > 0);
    this.root.classList.toggle("gx-edited", this.edited);
  }

  setSpec(spec) {
    this.spec = spec;
    this.drawTitle();
  }

  /** Ties the lane to a run's lane: its text starts anew. */
  attach(runLane, maxNewTokens) {
    this.run = runLane;
    if (this.spec === this.sent) this.spec = runLane.spec;
    this.spans = [];
    this.marked = [];
    this.follow = true;
    this.text.replaceChildren();
    this.brackets.replaceChildren();
    this.spark.setLength(maxNewTokens || 128);
    this.drawTitle();
    this.draw({ from: 0, loops: true });
  }

  /** Draws what a change of the run brought: only new tokens make new elements. */
  draw(change) {
    const tokens = this.run.tokens;
    while (this.spans.length > Math.min(change.from, tokens.length)) {
      const span = this.spans.pop();
      if (span.gxSpace) span.gxSpace.remove();
      span.remove();
    }
    if (this.spans.length < tokens.length) {
      const fragment = document.createDocumentFragment();
      for (let index = this.spans.length; index < tokens.length; index += 1) {
        const span = makeToken(tokens[index], index);
        this.spans.push(span);
        // The space that joins the continuation to the prompt would indent the first line.
        if (span.gxSpace && index > 0) fragment.append(span.gxSpace);
        fragment.append(span);
      }
      this.text.append(fragment);
    }
    if (change.loops || this.run.loops.length) markLoops(this.spans, this.run.loops, this.marked);
    this.spark.draw(tokens, this.run.loops);
    this.drawFooter();
  }

  /** Work that reads the layout, after every lane has written. */
  settle() {
    if (this.run && this.run.loops.length) drawBrackets(this.brackets, this.spans, this.run.loops);
    if (this.follow) this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  noteScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroll;
    this.follow = scrollTop + clientHeight > scrollHeight - 24;
  }

  drawFooter(waiting = "") {
    const tokens = this.run ? this.run.tokens : [];
    setText(this.blank, tokens.length || (this.run && this.run.end) ? "" : waiting || this.emptyWords());
    if (!this.run) {
      setText(this.counts, "");
      this.treeButton.hidden = true;
      setText(this.note, "");
      return;
    }
    const words = [plural(tokens.length, "token")];
    if (this.run.end) words.push(stopWord(this.run.end));
    const speed = this.run.metrics && this.run.metrics.tokens_per_s;
    if (isNumber(speed)) words.push(`${speed.toFixed(1)} tokens/s`);
    setText(this.counts, words.join(" · "));
    this.treeButton.hidden = !(this.run.rows > 1);
    this.counts.title = this.run.end ? stopSentence(this.run.end) : "";
    const loop = this.run.loops[this.run.loops.length - 1];
    setText(this.note, loop ? `⟲ ${formatLoop(loop)}` : this.meanWords(tokens));
    this.note.classList.toggle("gx-loop-note", Boolean(loop));
  }

  emptyWords() {
    if (this.stage.readOnly) return "No tokens.";
    if (this.run) return "";
    const { text, lookFor } = this.about();
    return [text, lookFor].filter(Boolean).join("\n\n");
  }

  meanWords(tokens) {
    if (tokens.length === 0) return "";
    const sum = tokens.reduce((total, token) => total + (isNumber(token.h) ? token.h : 0), 0);
    return `mean entropy ${formatBits(sum / tokens.length)}`;
  }

  toggleEditor(open = !this.editor) {
    if (!open && this.editor) {
      const inside = this.editor.root.contains(document.activeElement);
      this.editor.root.remove();
      this.editor = null;
      if (inside) this.more.focus();
    } else if (open && !this.editor) {
      this.editor = new Editor(this.stage.catalog, {
        onChange: (spec) => this.stage.onEdit(this, spec),
        onClose: () => this.toggleEditor(false),
        onDuplicate: () => this.stage.onDuplicate(this),
        onRemove: () => this.stage.onRemove(this),
      });
      this.editor.open(this.spec);
      this.body.append(this.editor.root);
      this.editor.root.querySelector(".gx-method-button, input").focus({ preventScroll: true });
    }
    this.more.setAttribute("aria-expanded", this.editor ? "true" : "false");
  }
}
