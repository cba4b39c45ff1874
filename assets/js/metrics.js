// The metric table: one row a lane, every column sortable and explained. The columns of metrics
// come from the catalogue (ANALYZERS); what is no metric of the text stands here.

const bitsCell = (value) => (isNumber(value) ? toBits(value).toFixed(2) : "–");
const shareCell = (value) => (isNumber(value) ? value.toFixed(3) : "–");
const fixedCell = (digits) => (value) => (isNumber(value) ? value.toFixed(digits) : "–");

const CELLS = { nats: bitsCell, share: shareCell, tokens: formatCount };

/** A metric of the catalogue as a column; what it gives in nats is shown in bits. */
function analyzerColumn({ name, title, unit, formula, source }) {
  const inBits = unit === "nats";
  const note = inBits && !formula.includes("bits") ? ", shown in bits" : "";
  const header = inBits ? `${title}, bits` : title;
  return [name, header, CELLS[unit] || fixedCell(2), `${formula}${note}. ${source}.`];
}

const METRICS = [
  ["tokens", "tokens", formatCount, "Tokens of the continuation; the prompt is not counted."],
  ["stop_reason", "stop reason", (value) => (value ? stopWord(value) : "–"), "Why the lane ended: eos, length, stop string, loop, stopped, time limit."],
  ...ANALYZERS.map(analyzerColumn),
  ["loop_onset", "loop onset", formatCount, "First token from which the end of the continuation is periodic."],
  ["loop_period", "loop period", formatCount, "Length of the repeated unit, in tokens."],
  ["loop_copies", "loop copies", fixedCell(1), "How often the unit stands there: (tokens − onset) / period."],
  ["tokens_per_s", "tokens/s", fixedCell(1), "Tokens of this lane after its first, divided by the seconds they took; reading the prompt is not counted. All lanes advance together, so they share the time. Traces and the command line say the same number."],
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
