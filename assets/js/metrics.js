// The metric table: one row a lane, every column sortable and explained.

const bitsCell = (value) => (isNumber(value) ? toBits(value).toFixed(2) : "–");
const shareCell = (value) => (isNumber(value) ? value.toFixed(3) : "–");
const fixedCell = (digits) => (value) => (isNumber(value) ? value.toFixed(digits) : "–");
const repFormula = (n) => `rep-${n} = 1 − unique ${n}-grams / all ${n}-grams of the continuation's tokens. 0 repeats nothing.`;

const METRICS = [
  ["tokens", "tokens", formatCount, "Tokens of the continuation; the prompt is not counted."],
  ["stop_reason", "stop reason", (value) => (value ? stopWord(value) : "–"), "Why the lane ended: eos, length, stop string, loop, stopped, time limit."],
  ["mean_entropy", "mean entropy, bits", bitsCell, "Mean of H(p) = −Σ p log₂ p over the continuation's tokens; p is the model's law."],
  ["mean_surprisal", "mean surprisal, bits", bitsCell, "Mean of −log₂ p(token) over the continuation's tokens; p is the model's law."],
  ["perplexity", "perplexity", fixedCell(2), "exp(mean surprisal in nats) = 2^(mean surprisal in bits), over the continuation's tokens, under the model's own law."],
  ["rep_2", "rep-2", shareCell, repFormula(2)],
  ["rep_3", "rep-3", shareCell, repFormula(3)],
  ["rep_4", "rep-4", shareCell, repFormula(4)],
  ["distinct_2", "distinct-2", shareCell, "distinct-2 = unique 2-grams / all 2-grams of the continuation's tokens."],
  ["loop_onset", "loop onset", formatCount, "First token from which the end of the continuation is periodic."],
  ["loop_period", "loop period", formatCount, "Length of the repeated unit, in tokens."],
  ["loop_copies", "loop copies", fixedCell(1), "How often the unit stands there: (tokens − onset) / period."],
  ["tokens_per_s", "tokens/s", fixedCell(1), "Tokens of this lane a second of the run; all lanes advance together, so they share the time."],
];

const HINT = "Click a column to sort by it and to see its formula.";

class MetricTable {
  constructor() {
    this.sort = { key: null, descending: true };
    this.rows = [];
    this.body = make("tbody");
    this.caption = make("p", { class: "gx-formula", "aria-live": "polite", text: HINT });
    this.headers = METRICS.map((metric) => this.makeHeader(metric));
    const head = make("tr", {}, make("th", { scope: "col", class: "gx-lane-column", text: "lane" }), ...this.headers);
    this.table = make("table", { class: "gx-metrics" }, make("thead", {}, head), this.body);
    this.root = make(
      "section",
      { class: "gx-metric-box", "aria-label": "Metrics of every lane" },
      make("div", { class: "gx-metric-scroll", tabindex: "0", role: "group", "aria-label": "Metric table" }, this.table),
      this.caption,
    );
  }

  makeHeader([key, name, , formula]) {
    const arrow = make("span", { class: "gx-arrow", "aria-hidden": "true" });
    const button = make("button", { type: "button", title: formula, onclick: () => this.sortBy(key) }, name, arrow);
    const header = make("th", { scope: "col", "aria-sort": "none" }, button);
    header.dataset.key = key;
    return header;
  }

  sortBy(key) {
    const { sort } = this;
    if (sort.key !== key) this.sort = { key, descending: true };
    else if (sort.descending) this.sort = { key, descending: false };
    else this.sort = { key: null, descending: true };
    this.showSort();
    this.order();
  }

  showSort() {
    for (const header of this.headers) {
      const active = header.dataset.key === this.sort.key;
      const direction = this.sort.descending ? "descending" : "ascending";
      header.setAttribute("aria-sort", active ? direction : "none");
      setText(header.querySelector(".gx-arrow"), active ? (this.sort.descending ? "↓" : "↑") : "");
    }
    const metric = METRICS.find(([key]) => key === this.sort.key);
    setText(this.caption, metric ? `${metric[1]}: ${metric[3]}` : HINT);
  }

  /** @param {Array<{title: string, colour: number, metrics: object|null}>} lanes of the run */
  draw(lanes) {
    while (this.rows.length > lanes.length) this.rows.pop().root.remove();
    lanes.forEach((lane, index) => {
      if (!this.rows[index]) this.rows[index] = this.makeRow(index);
      const row = this.rows[index];
      setText(row.name, lane.title);
      row.root.style.setProperty("--gx-lane", laneColour(lane.colour));
      row.metrics = lane.metrics || {};
      METRICS.forEach(([key, , format], column) => setText(row.cells[column], format(row.metrics[key])));
    });
    this.order();
  }

  makeRow(index) {
    const name = make("span", { class: "gx-row-name" });
    const dot = make("span", { class: "gx-dot", "aria-hidden": "true" });
    const cells = METRICS.map(() => make("td", { text: "–" }));
    const root = make("tr", {}, make("th", { scope: "row", class: "gx-lane-column" }, dot, name), ...cells);
    return { root, name, cells, index, metrics: {} };
  }

  /** Rows without a value stand last whichever way the column is sorted. */
  order() {
    const { key, descending } = this.sort;
    const compare = (one, other) => {
      const [a, b] = [one.metrics[key], other.metrics[key]];
      const missing = (value) => value === null || value === undefined;
      if (!key || (missing(a) && missing(b))) return one.index - other.index;
      if (missing(a)) return 1;
      if (missing(b)) return -1;
      const order = isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b));
      return (descending ? -order : order) || one.index - other.index;
    };
    const ordered = [...this.rows].sort(compare);
    ordered.forEach((row, place) => {
      if (this.body.children[place] !== row.root) this.body.insertBefore(row.root, this.body.children[place] || null);
    });
  }
}
