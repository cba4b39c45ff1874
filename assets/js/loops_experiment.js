// A sentence that feeds itself: repeated and read teacher-forced, on any model, several in one figure.

const FEED_MOST = 8;

class ExperimentSection {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
    this.series = [];
    this.element = make("section", { class: "gx-loop-part gx-feed", "aria-label": "A sentence that feeds itself" });
    this.typed = make("textarea", { class: "gx-input gx-area", rows: 2, "aria-label": "Sentences, one a line", placeholder: "One sentence a line" });
    this.bundled = make("input", { type: "checkbox", checked: true });
    this.random = numberBox("sentences of random tokens", 32, 0, 64);
    this.length = numberBox("tokens in each", 12, 1, 64);
    this.repetitions = numberBox("repetitions", 10, 1, 100);
    this.log = make("input", { type: "checkbox", onchange: () => this.draw() });
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Measure", onclick: () => this.run() });
    this.clear = make("button", { class: "gx-button gx-quiet", type: "button", text: "Clear the figure", hidden: true, onclick: () => {
      this.series = [];
      this.draw();
    } });
    this.say = make("p", { class: "gx-soft", role: "status", text: "A series a press: they stay in the figure until it is cleared, so that models and sentences compare." });
    const about = { xName: "repetition", hint: "Point at a line for its value and 95 % interval." };
    this.charts = {
      tp: new CurveChart("TP: mean probability of the right token", { ...about, format: formatShare }),
      ip: new CurveChart("IP: share of tokens likelier than at first", { ...about, format: formatPercent }),
      wr: new CurveChart("WR: share of tokens that are the likeliest", { ...about, format: formatPercent }),
    };
    this.legend = make("div", { class: "gx-chart-legend" });
    this.table = make("div", { class: "gx-loop-scroll", tabindex: 0, role: "region", "aria-label": "The figures, repetition by repetition" });
    this.out = make("div", { hidden: true }, make("label", { class: "gx-check" }, this.log, " TP on a log scale"), this.legend, make("div", { class: "gx-curve-row" }, ...Object.values(this.charts).map((chart) => chart.element)), this.table);
    this.element.append(
      make("h3", { text: "A sentence that feeds itself" }),
      make("p", { class: "gx-soft gx-about", text: "Each sentence is repeated behind “Here is the passage.”, and the model in the header reads all copies, teacher-forced (as in “Learning to Break the Loop”). Figures are over tokens, bands are 95 % jackknife intervals over sentences; repetition 0 is the first occurrence." }),
      this.typed,
      make("div", { class: "gx-fields" }, make("label", { class: "gx-check" }, this.bundled, " the 32 sentences of the list"), this.random, this.length, this.repetitions, this.go, this.clear),
      this.say,
      this.out,
    );
  }

  show() {}

  async run() {
    if (this.page.job) {
      showProblem(this.say, { message: "Other work is under way.", hint: "Wait for it, or stop it." });
      return;
    }
    const begun = await this.page.bridge.ask({
      ask: "experiment",
      model: currentModel(),
      typed: this.typed.value,
      bundled: this.bundled.checked,
      random: wholeOf(this.random),
      length: wholeOf(this.length),
      repetitions: wholeOf(this.repetitions),
    });
    if (!begun) return;
    if (begun.error) {
      showProblem(this.say, begun.error);
      return;
    }
    const before = this.series;
    this.go.disabled = true;
    showWords(this.say, "Reading; how far it is and Stop stand above, beside the run.");
    const ended = await this.page.follow(begun, (news) => {
      if (!news.series || !news.series.length) return;
      this.series = [...before, ...news.series].slice(-FEED_MOST);
      this.draw();
    });
    this.go.disabled = false;
    showWords(this.say, ended ? ended.said : "It ended early; what stood in the way is said above.");
  }

  draw() {
    this.out.hidden = this.series.length === 0;
    this.clear.hidden = this.out.hidden;
    if (this.out.hidden) return;
    const most = Math.max(...this.series.map((one) => one.repetitions.length));
    const xs = Array.from({ length: most }, (_, k) => k);
    const lines = (key) => this.series.map((one, k) => {
      const rows = one.repetitions;
      return { name: this.nameOf(one), strong: true, colour: laneColour(k), dash: PALETTE.laneDashes[k % PALETTE.laneDashes.length], values: rows.map((row) => row[key]), low: rows.map((row) => row[`${key}_95`][0]), high: rows.map((row) => row[`${key}_95`][1]) };
    });
    const tp = lines("tp");
    const seen = tp.flatMap((line) => line.values).filter((value) => value > 0);
    this.charts.tp.draw(tp, this.log.checked ? logShareScale(seen) : shareScale(), xs);
    this.charts.ip.draw(lines("ip"), shareScale(), xs);
    this.charts.wr.draw(lines("wr"), shareScale(), xs);
    this.legend.replaceChildren(...this.series.map((one, k) => {
      const sample = makeSvg("svg", { width: 34, height: 8, "aria-hidden": "true" });
      sample.append(makeSvg("line", { x1: 0, x2: 34, y1: 4, y2: 4, style: `stroke:${laneColour(k)};stroke-width:3;stroke-dasharray:${PALETTE.laneDashes[k % PALETTE.laneDashes.length]}` }));
      return make("span", { class: "gx-key-entry" }, sample, this.nameOf(one));
    }));
    const cell = (row, key, format) => `${format(row[key])} (${format(row[`${key}_95`][0])} to ${format(row[`${key}_95`][1])})`;
    const rows = this.series.flatMap((one) => one.repetitions.map((row) => make("tr", {},
      make("th", { scope: "row", text: this.nameOf(one) }),
      make("td", { text: row.repetition }),
      make("td", { text: cell(row, "tp", formatShare) }),
      make("td", { text: row.repetition ? cell(row, "ip", formatPercent) : "–" }),
      make("td", { text: cell(row, "wr", formatPercent) }),
    )));
    this.table.replaceChildren(make("table", { class: "gx-shares gx-exits" }, make("thead", {}, make("tr", {}, ...["series", "repetition", "TP", "IP", "WR"].map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...rows)));
  }

  nameOf({ name, model, sentences, read, repetitions }) {
    const part = read < sentences ? `, ${read} of ${sentences} read` : "";
    return `${name} · ${model} · ${plural(repetitions[0].tokens, "token")}${part}`;
  }
}
