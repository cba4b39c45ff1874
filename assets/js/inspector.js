// The pinned tokens: every quantity with its unit and meaning, both laws, the decoder's notes.

const LAW_P = [
  ["p", (t) => formatPercent(probabilityOfSurprisal(t.s)), "probability of this token under the model's law"],
  ["surprisal", (t) => formatBits(t.s), "−log₂ p: how unexpected it was"],
  ["rank", (t) => formatCount(t.r), "tokens the model found likelier; 0 is the likeliest"],
  ["entropy", (t) => formatBits(t.h), "H(p): how open the choice was"],
  ["varentropy", (t) => formatVarentropy(t.v), "spread of the surprisal around the entropy"],
];

const LAW_Q = [
  ["q", (t) => formatPercent(probabilityOfSurprisal(t.qs)), "probability under the law it was drawn from"],
  ["sampling surprisal", (t) => formatBits(t.qs), "−log₂ q"],
  ["sampling entropy", (t) => formatBits(t.qh), "H(q): how open the method left the choice"],
  ["support size", (t) => plural(t.n, "token"), "tokens the method could still take (q > 0)"],
];

/** Varentropy is nats squared: the unit changes twice. */
function formatVarentropy(natsSquared) {
  return isNumber(natsSquared) ? `${toBits(toBits(natsSquared)).toFixed(2)} bits²` : "–";
}

function makeQuantities(title, law, rows, token) {
  const list = make("dl", { class: "gx-quantities" });
  for (const [name, value, meaning] of rows) {
    list.append(
      make(
        "div",
        { class: "gx-quantity", title: meaning },
        make("dt", { text: name }),
        make("dd", {}, make("span", { class: "gx-value", text: value(token) }), make("span", { class: "gx-meaning", text: meaning })),
      ),
    );
  }
  return make("section", {}, make("h4", { class: `gx-law-${law}`, text: title }), list);
}

function makeNotes(token) {
  const notes = Object.entries(token.o || {});
  if (notes.length === 0) return null;
  const list = make("dl", { class: "gx-quantities" });
  for (const [name, value] of notes) {
    const words = name.replace(/_/g, " ");
    list.append(
      make("div", { class: "gx-quantity" }, make("dt", { text: words }), make("dd", { text: formatNote(value) })),
    );
  }
  return make("section", {}, make("h4", { text: "Notes of the method" }), list);
}

/** A pinned token as text, for a note or a message. */
function tokenAsText(pin) {
  const { token, index, title } = pin;
  const lines = [`“${quotePiece(token.x)}”, token ${index} (id ${token.t}) in ${title}`];
  for (const [name, value] of [...LAW_P, ...LAW_Q]) lines.push(`${name}\t${value(token)}`);
  lines.push("", "token\tp (model law)\tq (sampling law)");
  const { rows, others } = alternativesOf(token);
  for (const row of rows) {
    lines.push(`${quotePiece(row.piece)}\t${formatPercent(row.p)}\t${row.cut ? "cut" : formatPercent(row.q)}`);
  }
  lines.push(`others\t${formatPercent(others.p)}\t${formatPercent(others.q)}`);
  return lines.join("\n");
}

async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Pages from a file or plain http have no clipboard object.
  const area = make("textarea", { class: "gx-offscreen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

class Inspector {
  /**
   * @param {function(object)} onUnpin
   * @param {function(object)} onFind
   * @param {(function(object, function(object)))|null} ask asks the server; null on a saved page
   * @param {(function(number, number, number))|null} fork goes on from a lane's token with another
   */
  constructor(onUnpin, onFind, ask = null, fork = null) {
    this.fork = fork;
    this.onUnpin = onUnpin;
    this.onFind = onFind;
    this.ask = ask;
    this.showsStages = false;
    this.orders = new WeakMap();
    this.waterfalls = [];
    this.finds = [];
    this.pins = make("div", { class: "gx-pins" });
    this.root = make(
      "section",
      { class: "gx-inspector", "aria-label": "Inspector: the pinned token", id: "gx-inspector" },
      this.pins,
    );
    this.draw([]);
  }

  /** @param {Array<{token: object, index: number, title: string, colour: number}>} pins at most two */
  draw(pins) {
    for (const waterfall of this.waterfalls) waterfall.close();
    this.waterfalls = [];
    this.shown = pins;
    this.pins.dataset.count = pins.length;
    if (pins.length === 0) {
      this.pins.replaceChildren(this.makeGuide());
      return;
    }
    this.pins.replaceChildren(...pins.map((pin) => this.makePin(pin)));
  }

  /** Offers places worth a look while nothing is pinned. */
  offer(finds) {
    this.finds = finds;
    if (this.pins.dataset.count === "0") this.draw([]);
  }

  makeGuide() {
    const buttons = this.finds.map((find) => {
      const button = make("button", { class: "gx-button gx-quiet gx-find", type: "button", onclick: () => this.onFind(find) });
      const dot = make("span", { class: "gx-dot", "aria-hidden": "true" });
      dot.style.setProperty("--gx-lane", laneColour(find.lane.colour));
      button.append(dot, find.text);
      return button;
    });
    return make("div", { class: "gx-guide" }, this.makeHint(), make("div", { class: "gx-finds" }, ...buttons));
  }

  makeHint() {
    const key = (text) => make("kbd", { text });
    const pair = (one, other) => [key(one), "\u00a0", key(other)];
    const keys = [
      "; ",
      key("Ctrl"),
      " + click pins a second one beside it. ",
      ...pair("←", "→"),
      " walk through all lanes together, ",
      ...pair("↑", "↓"),
      " change the lane, ",
      key("Esc"),
      " unpins.",
    ];
    const hint = make("p", { class: "gx-hint" }, "Click a token to pin it here");
    hint.append(make("span", { class: "gx-hint-keys" }, ...keys));
    return hint;
  }

  makePin(pin) {
    const piece = make("strong", { class: "gx-pin-piece", dir: "auto" });
    writeQuoted(piece, pin.token.x);
    const copy = make("button", { class: "gx-button gx-quiet gx-copy", type: "button", text: "Copy" });
    copy.addEventListener("click", async () => {
      await copyText(tokenAsText(pin));
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1200);
    });
    const close = makeIconButton("close", "Unpin (Esc)", () => this.onUnpin(pin));
    const dot = make("span", { class: "gx-dot", "aria-hidden": "true" });
    const root = make(
      "div",
      { class: "gx-pin" },
      make(
        "header",
        { class: "gx-pin-head" },
        dot,
        piece,
        make("span", { class: "gx-pin-where", text: `token ${pin.index} in ${pin.title} · id ${pin.token.t}` }),
        make("span", { class: "gx-grow" }),
        copy,
        close,
      ),
      make(
        "div",
        { class: "gx-pin-body" },
        make(
          "div",
          { class: "gx-pin-facts" },
          makeQuantities("Model law p", "p", LAW_P, pin.token),
          makeQuantities("Sampling law q", "q", LAW_Q, pin.token),
          makeNotes(pin.token),
        ),
        makeBars(pin.token, Infinity, this.fork && pin.place ? (id) => this.fork(pin.place.lane, pin.index, id) : null),
      ),
      this.makeStages(pin),
    );
    root.style.setProperty("--gx-lane", laneColour(pin.colour));
    return root;
  }

  /** Stage by stage, on demand; it stays open while one walks through the tokens. */
  makeStages(pin) {
    if (!this.ask || !pin.place || pin.place.stages.length === 0) return null;
    const toggle = make("button", {
      class: "gx-button gx-quiet gx-stages-toggle",
      type: "button",
      text: "Stage by stage",
      "aria-expanded": this.showsStages ? "true" : "false",
      onclick: () => {
        this.showsStages = !this.showsStages;
        this.draw(this.shown);
        const again = this.pins.querySelector(".gx-stages-toggle");
        if (again) again.focus();
      },
    });
    const box = make("section", { "aria-label": "Stage by stage" }, toggle);
    if (this.showsStages) {
      const waterfall = new Waterfall(pin.place, {
        ask: this.ask,
        order: this.orders.get(pin.place.run),
        onOrder: (order) => this.orders.set(pin.place.run, order),
      });
      this.waterfalls.push(waterfall);
      box.append(waterfall.root);
    }
    return box;
  }
}
