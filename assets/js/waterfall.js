// Stage by stage: what each stage of a lane did at the pinned token, and what another order would.

// A walk through tokens asks once it rests, not at every step.
const ASK_DELAY_MS = 150;

/** A span as words: one number where it is known, else least and most. */
function formatSpan([low, high], format) {
  const [one, other] = [format(low), high === null ? "∞" : format(high)];
  return one === other ? one : `${one} to ${other}`;
}

const bitsAlone = (nats) => formatBits(nats, "");

class Waterfall {
  /**
   * @param {{lane: number, index: number, token: number, stages: Array<{title: string}>}} place
   * @param {{ask: function(object, function(object)), order: Array<number>|undefined,
   *   onOrder: function(Array<number>)}} actions
   */
  constructor(place, actions) {
    this.place = place;
    this.actions = actions;
    this.usual = place.stages.map((_, index) => index);
    this.order = actions.order || this.usual;
    this.answers = null;
    this.body = make("tbody");
    this.say = make("p", { class: "gx-stage-words", role: "status" });
    this.reset = make("button", { class: "gx-button gx-quiet", type: "button", text: "As it ran", onclick: () => this.tryOrder(this.usual) });
    const heads = ["stage", "tokens left", "probability cut", "entropy, bits", "KL to p, bits"];
    const help = "Each row reads what the one above it left. Drag a stage, or use its arrows, to try another order on the same logits.";
    this.root = make(
      "div",
      { class: "gx-waterfall" },
      make("p", { class: "gx-param-help", text: help }),
      make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), this.body),
      this.say,
      this.reset,
    );
    this.draw();
    this.timer = setTimeout(() => this.ask(), ASK_DELAY_MS);
  }

  ask() {
    const { lane, index, token } = this.place;
    this.root.setAttribute("aria-busy", "true");
    this.actions.ask({ lane, index, token, order: this.order }, (answer) => {
      this.root.setAttribute("aria-busy", "false");
      this.answer = answer;
      this.draw();
    });
  }

  close() {
    clearTimeout(this.timer);
  }

  tryOrder(order, focus) {
    this.order = order;
    this.answer = null;
    this.actions.onOrder(order);
    this.draw();
    if (focus) {
      const button = this.body.querySelector(`[data-stage="${focus.stage}"] .gx-move-${focus.way}`);
      const other = this.body.querySelector(`[data-stage="${focus.stage}"] button:not([disabled])`);
      const found = button && !button.disabled ? button : other;
      if (found) found.focus();
    }
    this.ask();
  }

  move(from, to, way) {
    const order = [...this.order];
    const [stage] = order.splice(from, 1);
    order.splice(to, 0, stage);
    this.tryOrder(order, way ? { stage, way } : null);
  }

  draw() {
    const { answer } = this;
    const focused = document.activeElement;
    const held = this.body.contains(focused) ? [focused.closest("tr").dataset.stage, focused.className] : null;
    const rows = answer && answer.rows ? answer.rows : [];
    this.body.replaceChildren(...this.order.map((stage, at) => this.makeRow(stage, at, rows[at])));
    if (held) {
      const again = [...this.body.querySelectorAll(`[data-stage="${held[0]}"] button`)].find((button) => button.className === held[1]);
      if (again && !again.disabled) again.focus();
    }
    this.reset.hidden = this.order.every((stage, at) => stage === at);
    setText(this.say, this.words());
  }

  words() {
    const { answer } = this;
    if (!answer) return "Computing the law of this token again…";
    if (answer.error) return `${answer.error.message} ${answer.error.hint || ""}`.trim();
    const words = [];
    if (answer.exact) words.push("Recomputed by the model.");
    else words.push("The model is not loaded: least and most that the stored tokens allow.");
    const removed = answer.rows.find((row) => row.runner_up);
    const runner = answer.runner_up === null ? null : `“${quotePiece(answer.runner_up)}”`;
    if (runner && removed) words.push(`${removed.title} removed the runner-up ${runner}.`);
    else if (runner && answer.rows.every((row) => !row.missing)) words.push(`The runner-up ${runner} stayed possible.`);
    if (answer.taken && !this.reset.hidden) {
      const same = answer.taken.t === this.place.token;
      const verb = same ? "still takes" : "would have taken";
      words.push(`In this order ${answer.chooser} ${verb} “${quotePiece(answer.taken.x)}”.`);
    }
    return words.join(" ");
  }

  makeRow(stage, at, row) {
    const { title } = this.place.stages[stage];
    const small = (icon, label, disabled, to, way) =>
      makeIconButton(icon, label, () => this.move(at, to, way), { disabled, class: `gx-icon gx-move-${way}` });
    const name = make("th", { scope: "row", class: "gx-stage-name" });
    if (this.order.length > 1) {
      name.append(
        small("up", `Move ${title} up`, at === 0, at - 1, "up"),
        small("down", `Move ${title} down`, at === this.order.length - 1, at + 1, "down"),
      );
    }
    name.append(make("span", { text: title }));
    const line = make("tr", { "data-stage": stage, draggable: this.order.length > 1 ? "true" : null }, name);
    line.append(...this.makeCells(row));
    this.listenToDrag(line, at);
    return line;
  }

  makeCells(row) {
    if (!row) return [make("td", { colspan: 4, text: "…" })];
    if (row.missing) return [make("td", { colspan: 4, class: "gx-missing", text: `not available: needs ${row.missing}` })];
    const cell = (label, text, ...more) => make("td", { "data-label": label }, make("span", { text }), ...more);
    const bar = make("span", { class: "gx-bar gx-bar-q", "aria-hidden": "true" });
    bar.style.setProperty("--gx-share", `${(100 * row.cut[1]).toFixed(2)}%`);
    const runner = row.runner_up ? make("em", { class: "gx-runner-up", text: "removed the runner-up" }) : null;
    return [
      cell("tokens left", formatSpan(row.tokens, formatCount), runner),
      cell("probability cut", formatSpan(row.cut, formatPercent), bar),
      cell("entropy, bits", `${formatSpan(row.before, bitsAlone)} → ${formatSpan(row.after, bitsAlone)}`),
      cell("KL to p, bits", formatSpan(row.kl, bitsAlone)),
    ];
  }

  listenToDrag(line, at) {
    line.addEventListener("dragstart", (event) => {
      this.dragged = at;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", String(at));
    });
    line.addEventListener("dragover", (event) => {
      if (this.dragged === undefined) return;
      event.preventDefault();
      line.classList.add("gx-drop");
    });
    line.addEventListener("dragleave", () => line.classList.remove("gx-drop"));
    line.addEventListener("drop", (event) => {
      if (this.dragged === undefined) return;
      event.preventDefault();
      const from = this.dragged;
      this.dragged = undefined;
      if (from !== at) this.move(from, at);
      else line.classList.remove("gx-drop");
    });
    line.addEventListener("dragend", () => (this.dragged = undefined));
  }
}

/** Where a pinned token stands, for the server, and the stages before its choice. */
function placeOfPin({ catalog, run }, { lane, index }) {
  let stages = [];
  try {
    stages = catalog.parse(lane.run.spec).filter((stage) => !catalog.isChooser(stage.name));
  } catch {
    // A spec of another version of the catalogue.
  }
  return {
    run: lane.run,
    lane: run.lanes.indexOf(lane.run),
    index,
    token: lane.run.tokens[index].t,
    stages: stages.map((stage) => ({ title: catalog.title([stage]) })),
  };
}
