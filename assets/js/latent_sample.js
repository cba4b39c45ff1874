// Sample: many points at once, what they say, and how many of them are sentences.

const SHOWN_ROWS = 150;
const WAYS = [
  ["uniform", "uniform in the box"],
  ["prior", "the space's prior"],
  ["gaussian", "Gaussian around the middle"],
  ["sphere", "on a sphere"],
  ["line", "on a line"],
];
const SORTS = [
  ["drawn", "as drawn"],
  ["bits", "by surprisal"],
  ["words", "by length"],
];

class SamplePanel {
  /** @param {LatentPage} page */
  constructor(page) {
    this.page = page;
    this.rows = [];
    this.chosen = null;
    this.running = 0;
    this.build();
  }

  build() {
    this.how = choiceBox("how", WAYS, "uniform", () => this.showEnds());
    this.count = numberBox("points", 500, 1, 10000);
    this.seed = numberBox("seed", 7, 0, 9007199254740991);
    this.from = textBox("from", "");
    this.to = textBox("to", "");
    this.ends = make("div", { class: "gx-fields", hidden: true }, this.from, this.to);
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Sample", onclick: () => this.run() });
    this.stop = make("button", { class: "gx-button", type: "button", text: "Stop", disabled: true, onclick: () => this.halt() });
    this.meter = make("progress", { class: "gx-meter", max: "1", value: "0", "aria-label": "Points read" });
    this.meter.hidden = true;
    this.words = make("p", { class: "gx-soft", role: "status" });
    this.shares = make("tbody");
    const heads = ["", "share", "95 % interval"].map((text) => make("th", { scope: "col", text }));
    this.summary = make("table", { class: "gx-shares", hidden: true }, make("thead", {}, make("tr", {}, ...heads)), this.shares);
    this.find = make("input", { class: "gx-input", type: "search", placeholder: "find a word", "aria-label": "Find a word in the sentences", oninput: () => this.list() });
    this.sort = choiceBox("order", SORTS, "drawn", () => this.list());
    this.only = choiceBox("show", [["all", "all"], ["valid", "valid"], ["not", "not valid"]], "all", () => this.list());
    this.free = make("button", { class: "gx-button gx-quiet", type: "button", text: "Undo selection", onclick: () => this.choose(null) });
    this.count2 = make("p", { class: "gx-soft", role: "status" });
    this.items = make("ol", { class: "gx-sentences", "aria-label": "Sampled sentences" });
    this.items.addEventListener("click", (event) => this.onItem(event));
    this.items.addEventListener("mouseover", (event) => this.onOver(event));
    this.items.addEventListener("mouseleave", () => this.page.hoverPoint(-1));
    this.saves = make(
      "div",
      { class: "gx-row" },
      make("span", { class: "gx-soft", text: "Save the sample:" }),
      ...[["jsonl", "traces, JSONL"], ["csv", "table, CSV"]].map(([kind, text]) =>
        make("button", { class: "gx-button gx-quiet", type: "button", text, onclick: () => press(`gx-latent-save-${kind}`) }),
      ),
    );
    this.tools = make("div", { class: "gx-fields" }, this.find, this.sort, this.only, this.free);
    this.root = make(
      "section",
      { class: "gx-panel", role: "tabpanel", "aria-label": "Sample" },
      make("div", { class: "gx-fields" }, this.how, this.count, this.seed, this.go, this.stop),
      this.ends,
      make("div", { class: "gx-row" }, this.meter, this.words),
      this.summary,
      this.tools,
      this.count2,
      this.items,
      this.saves,
    );
    this.clear();
  }

  /** Another space: nothing of the last one holds here. */
  clear() {
    this.running += 1;
    this.sample = null;
    this.rows = [];
    this.chosen = null;
    this.summary.hidden = true;
    this.tools.hidden = true;
    this.saves.hidden = true;
    this.meter.hidden = true;
    this.go.disabled = false;
    this.stop.disabled = true;
    this.items.replaceChildren();
    setText(this.count2, "");
    showWords(this.words, "Sample points to see which sentences this space says, and how many of them are valid.");
    this.page.points.clear();
    const { judged } = this.page.world || {};
    this.only.hidden = !judged;
    fieldOf(this.from).value = this.page.examples()[0];
    fieldOf(this.to).value = this.page.examples()[1];
  }

  showEnds() {
    this.ends.hidden = fieldOf(this.how).value !== "line";
  }

  halt() {
    this.running += 1;
    this.finish(`Stopped after ${plural(this.rows.length, "point")}; they are kept.`);
  }

  async run() {
    this.clear();
    const turn = this.running;
    this.go.disabled = true;
    this.stop.disabled = false;
    this.meter.hidden = false;
    this.meter.value = 0;
    showWords(this.words, "Reading the points…");
    const question = {
      how: fieldOf(this.how).value,
      count: wholeOf(this.count),
      seed: wholeOf(this.seed),
      from: fieldOf(this.from).value,
      to: fieldOf(this.to).value,
    };
    let asked = { ...question, plane: this.page.plane("pca") };
    for (;;) {
      const found = await this.page.ask({ ask: "sample", ...asked });
      if (turn !== this.running || !found) return;
      if (found.error) {
        this.finish("");
        showProblem(this.words, found.error);
        return;
      }
      this.take(found);
      if (found.done >= found.total) {
        this.finish(`${plural(found.total, "point")} read.`);
        return;
      }
      asked = { sample: found.sample };
    }
  }

  take(found) {
    this.sample = found.sample;
    this.rows.push(...found.rows);
    this.meter.value = found.done / found.total;
    showWords(this.words, `${formatCount(found.done)} of ${plural(found.total, "point")} read`);
    if (found.places) this.page.showSample(found);
    this.page.points.rows = this.rows;
    this.page.view.draw();
    if (found.summary) this.showSummary(found.summary);
    this.list();
  }

  finish(words) {
    this.go.disabled = false;
    this.stop.disabled = true;
    this.meter.hidden = true;
    if (words) showWords(this.words, words);
    const some = this.rows.length > 0;
    this.tools.hidden = !some;
    this.saves.hidden = !some;
    this.list();
  }

  showSummary(summary) {
    this.summary.hidden = false;
    this.shares.replaceChildren(
      ...summary.map(({ name, count, of, interval, about }) =>
        make(
          "tr",
          { title: about },
          make("th", { scope: "row", text: name }),
          make("td", { text: `${formatPercent(count / of)}  (${formatCount(count)} of ${formatCount(of)})` }),
          make("td", { text: `${formatPercent(interval[0])} to ${formatPercent(interval[1])}` }),
        ),
      ),
    );
  }

  /** @param {Set<number>|null} numbers points that the lasso holds */
  choose(numbers) {
    this.chosen = numbers && numbers.size > 0 ? numbers : null;
    this.list();
  }

  list() {
    const word = this.find.value.trim().toLowerCase();
    const only = fieldOf(this.only).value;
    let shown = [...this.rows.keys()].filter((number) => {
      const row = this.rows[number];
      if (this.chosen && !this.chosen.has(number)) return false;
      if (only !== "all" && row.valid !== (only === "valid")) return false;
      return !word || row.text.toLowerCase().includes(word);
    });
    const sort = fieldOf(this.sort).value;
    if (sort !== "drawn") shown = shown.sort((a, b) => (this.rows[a][sort] ?? Infinity) - (this.rows[b][sort] ?? Infinity));
    const isAll = shown.length === this.rows.length;
    this.page.points.chosen = isAll ? null : new Set(shown);
    this.free.hidden = !this.chosen;
    this.items.replaceChildren(...shown.slice(0, SHOWN_ROWS).map((number) => this.item(number)));
    const more = shown.length > SHOWN_ROWS ? `; the first ${SHOWN_ROWS} are listed` : "";
    const said = isAll ? "" : `${plural(shown.length, "point")} of ${formatCount(this.rows.length)}`;
    setText(this.count2, this.rows.length === 0 ? "" : shown.length === 0 ? "No sentence fits: change the search or the selection." : `${said || plural(shown.length, "point")}${more}`);
    this.page.view.draw();
  }

  item(number) {
    const row = this.rows[number];
    return make(
      "li",
      { "data-number": number },
      make(
        "button",
        { class: "gx-sentence", type: "button" },
        make("span", { class: row.valid === false ? "gx-bad" : "", text: row.text || "(nothing)" }),
        make("span", { class: "gx-soft", text: [rowMarks(row), bitsOf(row)].filter(Boolean).join(" · ") }),
      ),
    );
  }

  numberOf(event) {
    const item = event.target.closest("li");
    return item ? Number(item.dataset.number) : -1;
  }

  onItem(event) {
    const number = this.numberOf(event);
    if (number >= 0) this.page.pickPoint(number);
  }

  onOver(event) {
    this.page.hoverPoint(this.numberOf(event));
  }
}
