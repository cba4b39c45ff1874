// Round trip: a sentence to its point and its box, and back, word by word.

class TripPanel {
  /** @param {LatentPage} page */
  constructor(page) {
    this.page = page;
    this.build();
  }

  build() {
    this.text = textBox("sentence", "", { onkeydown: (event) => event.key === "Enter" && this.run() });
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Encode", onclick: () => this.run() });
    this.words = make("p", { class: "gx-soft", role: "status" });
    this.out = make("div", {});
    this.root = make(
      "section",
      { class: "gx-panel", role: "tabpanel", "aria-label": "Round trip" },
      make("div", { class: "gx-fields" }, this.text, this.go),
      this.words,
      this.out,
    );
    this.clear();
  }

  clear() {
    this.page.trip.cuts = null;
    this.out.replaceChildren();
    fieldOf(this.text).value = this.page.examples()[0];
    showWords(this.words, "Write a sentence: it becomes a point, and the point becomes a sentence again.");
  }

  async run() {
    showWords(this.words, "Encoding…");
    const found = await this.page.ask({ ask: "trip", text: fieldOf(this.text).value });
    if (!found) return;
    this.out.replaceChildren();
    this.page.trip.cuts = null;
    if (found.error) {
      showProblem(this.words, found.error);
      this.page.view.draw();
      return;
    }
    const back = found.same ? "Its point says the same sentence again." : `Its point says something else: “${found.back.join(this.page.joint)}”.`;
    showWords(this.words, back);
    this.page.trip.cuts = found.box && this.page.dimensions <= 2 ? found.box.cuts : null;
    this.page.showPin({ ...found, code_place: null });
    this.out.append(this.numbers(found), ...(found.box ? [this.table(found)] : [this.compare(found)]));
  }

  numbers({ box, point }) {
    if (!box) return make("p", { class: "gx-soft", text: `Its point has ${plural(point.length, "coordinate")} and no volume of its own: other points nearby may say the same.` });
    const digits = box.centre.slice(0, 2).map((text, k) => make("div", { class: "gx-digits", text: `z${k + 1} = ${text}` }));
    const rest = box.centre.length > 2 ? make("p", { class: "gx-soft", text: `and ${plural(box.centre.length - 2, "more coordinate")}` }) : null;
    const lines = [
      `Volume 2^−${box.bits.toFixed(2)}: the sentence says ${box.bits.toFixed(2)} bits, which is its surprisal, end included.`,
      box.float_same
        ? "64-bit floats are fine enough to find it again."
        : `64-bit floats are not: only ${plural(box.certain, "word")} of it are certain at a rounded point. Exact numbers find all of it; more dimensions help too.`,
      box.kl_nats > 0
        ? `The law was made whole numbers to cut the square by; that costs at most ${box.kl_nats.toExponential(1)} nats a word.`
        : "The law is the grammar's own and exact: making it whole numbers costs nothing.",
    ];
    return make("div", {}, ...digits, ...(rest ? [rest] : []), ...lines.map((text) => make("p", { class: "gx-soft", text })));
  }

  /** What each word does: which axis it cuts, how much it keeps, and what is left. */
  table({ box }) {
    const heads = ["word", "axis", "keeps", "", "bits", "bits so far"];
    const body = make("tbody");
    box.cuts.forEach((cut, number) => {
      const bar = make("span", { class: "gx-keep" });
      const inner = make("span", {});
      inner.style.left = `${100 * cut.below}%`;
      inner.style.width = `max(2px, ${100 * cut.share}%)`;
      bar.append(inner);
      const row = make(
        "tr",
        { tabindex: "0", title: cut.word ? "" : "the end of the sentence is a choice too" },
        make("th", { scope: "row", text: cut.word || "(end)" }),
        make("td", { text: String(cut.dimension) }),
        make("td", { text: formatPercent(cut.share) }),
        make("td", {}, bar),
        make("td", { text: cut.bits.toFixed(2) }),
        make("td", { text: cut.left.toFixed(2) }),
      );
      const show = (at) => () => {
        this.page.trip.shown = at;
        this.page.view.draw();
      };
      row.addEventListener("mouseenter", show(number));
      row.addEventListener("focus", show(number));
      row.addEventListener("mouseleave", show(null));
      row.addEventListener("blur", show(null));
      row.addEventListener("click", () => this.page.zoomTo(cut));
      body.append(row);
    });
    const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text }))));
    const help = this.page.dimensions <= 2 ? "Click a word to look at what is left of the square after it." : "";
    return make("div", {}, make("table", { class: "gx-shares gx-trip" }, head, body), make("p", { class: "gx-soft", text: help }));
  }

  compare({ tokens, back }) {
    const words = Array.from({ length: Math.max(tokens.length, back.length) }, (_, k) => {
      const [one, other] = [tokens[k] ?? "(end)", back[k] ?? "(end)"];
      return make("span", { class: one === other ? "" : "gx-bad", text: `${other} `, title: one === other ? "" : `was “${one}”` });
    });
    return make("p", { class: "gx-here" }, ...words);
  }
}
