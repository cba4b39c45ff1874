// Walk: the sentences between two, and what lies where no sentence is.

class WalkPanel {
  /** @param {LatentPage} page */
  constructor(page) {
    this.page = page;
    this.way = null;
    this.build();
  }

  build() {
    const onkeydown = (event) => event.key === "Enter" && this.run();
    this.from = textBox("from A", "", { onkeydown });
    this.to = textBox("to B", "", { onkeydown });
    this.steps = numberBox("points", 60, 2, 400);
    this.kind = choiceBox("way", [["straight", "straight (linear)"], ["arc", "arc (spherical)"]], "straight", () => {});
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Walk", onclick: () => this.run() });
    this.swap = make("button", { class: "gx-button gx-quiet", type: "button", text: "Swap", onclick: () => this.swapEnds() });
    this.words = make("p", { class: "gx-soft", role: "status" });
    this.slider = make("input", { type: "range", class: "gx-slider", min: 0, max: 1, value: 0, step: 1, "aria-label": "Where on the way", oninput: () => this.stand(Number(this.slider.value)) });
    this.here = make("p", { class: "gx-here" });
    this.slide = make("div", { hidden: true }, this.here, this.slider);
    this.items = make("ol", { class: "gx-sentences", "aria-label": "Sentences on the way" });
    this.items.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (!item) return;
      this.slider.value = item.dataset.at;
      this.stand(Number(item.dataset.at));
      this.page.pin({ point: this.way.points[Number(item.dataset.at)] });
    });
    this.root = make(
      "section",
      { class: "gx-panel", role: "tabpanel", "aria-label": "Walk" },
      this.from,
      this.to,
      make("div", { class: "gx-fields" }, this.kind, this.steps, this.go, this.swap),
      this.words,
      this.slide,
      this.items,
    );
    this.clear();
  }

  clear() {
    this.way = null;
    this.page.wayLayer.way = null;
    this.slide.hidden = true;
    this.items.replaceChildren();
    const [from, to] = this.page.examples();
    fieldOf(this.from).value = from;
    fieldOf(this.to).value = to;
    showWords(this.words, "Two sentences become two points; the way between them is read point by point.");
  }

  swapEnds() {
    const [from, to] = [fieldOf(this.from), fieldOf(this.to)];
    [from.value, to.value] = [to.value, from.value];
    this.run();
  }

  async run() {
    showWords(this.words, "Reading the way…");
    const texts = [fieldOf(this.from).value, fieldOf(this.to).value];
    const found = await this.page.ask({
      ask: "walk",
      texts,
      steps: wholeOf(this.steps),
      way: fieldOf(this.kind).value,
      plane: this.page.dimensions > 2 ? { kind: "way", texts } : this.page.plane("axes"),
    });
    if (!found) return;
    if (found.error) {
      this.clearWay();
      showProblem(this.words, found.error);
      return;
    }
    this.way = { ...found, texts };
    this.page.showWay(found);
    const groups = this.groups(found.rows);
    const holes = found.rows.filter((row) => !row || row.valid === false).length;
    const judged = this.page.world.judged;
    const said = judged ? `, ${plural(holes, "hole")} among ${plural(found.rows.length, "point")}` : "";
    showWords(this.words, `${plural(groups.length, "sentence")} on a way ${found.distance.toPrecision(3)} long${said}.`);
    this.items.replaceChildren(...groups.map((group) => this.item(group, found.rows.length)));
    this.slide.hidden = false;
    this.slider.max = found.rows.length - 1;
    this.slider.value = 0;
    this.stand(0);
  }

  clearWay() {
    this.way = null;
    this.page.showWay(null);
    this.slide.hidden = true;
    this.items.replaceChildren();
  }

  /** Points next to each other that say the same are one line. */
  groups(rows) {
    const groups = [];
    rows.forEach((row, number) => {
      const last = groups[groups.length - 1];
      if (last && row && last.row && last.row.text === row.text) last.end = number;
      else if (last && !row && !last.row) last.end = number;
      else groups.push({ row, start: number, end: number });
    });
    return groups;
  }

  item({ row, start, end }, count) {
    const share = (number) => `${Math.round((100 * number) / Math.max(1, count - 1))}`;
    const where = start === end ? `${share(start)} %` : `${share(start)}–${share(end)} %`;
    const bad = !row || row.valid === false;
    const marks = [where, bad ? "a hole" : "", row ? bitsOf(row) : ""].filter(Boolean).join(" · ");
    return make(
      "li",
      { "data-at": Math.round((start + end) / 2), "data-start": start, "data-end": end },
      make(
        "button",
        { class: "gx-sentence", type: "button" },
        make("span", { class: bad ? "gx-bad" : "", text: row ? row.text || "(nothing)" : "outside the space" }),
        make("span", { class: "gx-soft", text: marks }),
      ),
    );
  }

  /** Stands at one point of the way. */
  stand(number) {
    const row = this.way.rows[number];
    setText(this.here, row ? row.text || "(nothing)" : "outside the space");
    this.here.classList.toggle("gx-bad", !row || row.valid === false);
    this.page.wayLayer.at = number;
    for (const item of this.items.children) {
      const inside = number >= Number(item.dataset.start) && number <= Number(item.dataset.end);
      item.classList.toggle("gx-on", inside);
      if (inside) item.scrollIntoView({ block: "nearest" });
    }
    this.page.view.draw();
  }
}
