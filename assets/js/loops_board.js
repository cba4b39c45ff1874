// The escape board: one looping prefix handed to many methods; a row a lane, drawn while it is made.

const VERDICTS = {
  escaped: "It left the loop, and nothing looped after it.",
  ended: "The token it left with is an end mark: the text stopped.",
  "other loop": "It left, and another unit stood there twice.",
  "came back": "It left, and the same unit, begun anywhere in it, stood there twice.",
  stays: "Every token was the loop's.",
  failed: "Its numbers failed: it says nothing of loops.",
};
const VERDICT_ORDER = Object.keys(VERDICTS);
// Key, header, how a cell reads, what it is.
const ESCAPE_COLUMNS = [
  ["verdict", "verdict", String, "Escaped first, then ended, other loop, came back, stays."],
  ["exit", "tokens in the loop", formatCount, "How many of the loop's tokens it said before its exit, the first other token; 0 left at once."],
  ["paid", "paid, bits", bitsCell, "−log p of the token it left with, less −log p of the loop's own token at that place, both under the model with the loop before it: what leaving cost. Below 0 where the loop's token was the less likely one."],
  ["exit_surprisal", "exit, bits", bitsCell, "−log p of the token it left with, under the model with the loop before it."],
  ["perplexity", "perplexity", fixedCell(2), "exp of the mean −log p from the exit on, under the model with the whole loop before it. Going back to the loop makes it small."],
  ["coherence", "coherence, bits a token", bitsCell, "Mean log p from the exit on, under the model that read the text with whole copies of the loop taken out: one copy is left, and what stood of the next. Nearer 0 is more coherent."],
  ["rep_2", "rep-2", shareCell, "1 − unique / all 2-grams from the exit on; nothing for fewer than 4 tokens."],
  ["rep_3", "rep-3", shareCell, "1 − unique / all 3-grams from the exit on; nothing for fewer than 6 tokens."],
  ["rep_4", "rep-4", shareCell, "1 − unique / all 4-grams from the exit on; nothing for fewer than 8 tokens."],
  ["diversity", "diversity", shareCell, "Product of (1 − rep-n) over n = 2, 3, 4; nothing for fewer than 8 tokens."],
  ["tokens", "tokens", formatCount, "How many it said, those of the loop included."],
  ["near_words", "near-loops", (value) => value || "–", "Kinds of near-loops from the exit on: copies with edits, lists that count, sentences said again in nearly the same words. They are no loops for the verdict."],
  ["left_words", "left, share of draws", (value) => value || "–", "Share of this method's draws that left the loop, with Wilson's 95 % interval."],
];
const ESCAPE_HINT = "Click a column to sort by it and to see its formula.";

/** A table whose columns sort; rows without a value stand last. */
class FigureTable {
  constructor(label, columns, hint) {
    this.columns = columns;
    this.hint = hint;
    this.sort = null;
    this.body = make("tbody");
    this.caption = make("p", { class: "gx-formula", "aria-live": "polite", text: hint });
    this.heads = columns.map(([key, name, , formula]) => {
      const arrow = make("span", { class: "gx-arrow", "aria-hidden": "true" });
      const head = make("th", { scope: "col", "aria-sort": "none" }, make("button", { type: "button", title: formula, onclick: () => this.sortBy(key) }, name, arrow));
      head.gxKey = key;
      return head;
    });
    const table = make("table", { class: "gx-metrics" }, make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "gx-lane-column", text: "method" }), ...this.heads)), this.body);
    this.root = make("div", { class: "gx-metric-box" }, make("div", { class: "gx-metric-scroll", tabindex: "0", role: "group", "aria-label": label }, table), this.caption);
  }

  sortBy(key) {
    const { sort } = this;
    if (!sort || sort.key !== key) this.sort = { key, up: true };
    else this.sort = sort.up ? { key, up: false } : null;
    for (const head of this.heads) {
      const active = this.sort && head.gxKey === this.sort.key;
      head.setAttribute("aria-sort", active ? (this.sort.up ? "ascending" : "descending") : "none");
      setText(head.querySelector(".gx-arrow"), active ? (this.sort.up ? "↑" : "↓") : "");
    }
    const column = this.columns.find(([name]) => this.sort && name === this.sort.key);
    setText(this.caption, column ? `${column[1]}: ${column[3]}` : this.hint);
    this.order();
  }

  draw(rows) {
    this.rows = rows.map((data, place) => ({
      data,
      place,
      root: make("tr", {}, make("th", { scope: "row", class: "gx-lane-column", text: data.name, title: data.decoder }), ...this.columns.map(([key, , format]) => make("td", { text: format(data[key] ?? null) }))),
    }));
    this.body.replaceChildren();
    this.order();
  }

  order() {
    const { key, up } = this.sort || {};
    const valueOf = ({ data }) => (key === "verdict" ? VERDICT_ORDER.indexOf(data.verdict) : data[key] ?? null);
    const sorted = [...(this.rows || [])].sort((one, other) => {
      const [a, b] = key ? [valueOf(one), valueOf(other)] : [null, null];
      if (a === b) return one.place - other.place;
      if (a === null || a === "") return 1;
      if (b === null || b === "") return -1;
      const order = isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b));
      return (up ? order : -order) || one.place - other.place;
    });
    this.body.append(...sorted.map((row) => row.root));
  }
}

/** One lane as a strip of cells: grey while it says the loop, coloured once it is out. */
class EscapeRow {
  constructor(name, decoder, onTell) {
    this.pieces = [];
    this.exit = null;
    this.loops = [];
    this.at = 0;
    this.onTell = onTell;
    this.open = make("button", { class: "gx-escape-name", type: "button", text: name, title: decoder, "aria-expanded": "false", onclick: () => this.toggle() });
    this.name = name;
    this.inside = make("span", { class: "gx-cells-loop" });
    this.out = make("span", { class: "gx-cells-out" });
    this.back = make("span", {});
    this.track = make("div", { class: "gx-cells", tabindex: 0, role: "img", "aria-label": name }, this.inside, this.out, this.back);
    this.word = make("span", { class: "gx-escape-word", text: "" });
    this.text = make("p", { class: "gx-escape-text", hidden: true });
    this.root = make("li", { class: "gx-escape-row" }, this.open, this.track, this.word, this.text);
    this.track.addEventListener("pointermove", (event) => this.point(event));
    this.track.addEventListener("keydown", (event) => this.key(event));
    this.track.addEventListener("focus", () => this.tell());
  }

  /** @param {{from: number, pieces: string[], exit: number|null, loops: Array}} news @param {number} most cells of a row */
  feed(news, most) {
    this.pieces.length = Math.min(this.pieces.length, news.from);
    for (const piece of news.pieces) this.pieces.push(piece);
    this.exit = news.exit;
    this.loops = news.loops;
    this.most = most;
    const { length } = this.pieces;
    const inside = this.exit === null ? length : this.exit;
    const share = (count) => `${(100 * count) / most}%`;
    this.track.style.setProperty("--gx-count", most);
    this.inside.style.width = share(inside);
    this.out.style.left = share(inside);
    this.out.style.width = share(length - inside);
    const drawn = JSON.stringify(this.loops);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.back.replaceChildren(...this.loops.map(([first, end, same]) => {
        const mark = make("span", { class: same ? "gx-cells-back" : "gx-cells-other", title: same ? "the same loop" : "another loop" });
        mark.style.left = share(first);
        mark.style.width = share(end - first);
        return mark;
      }));
    }
  }

  /** Its end: a verdict and a text that can be opened. */
  finish(row) {
    this.root.dataset.verdict = row.verdict;
    setText(this.word, row.exit === null ? row.verdict : `${row.verdict} · after ${formatCount(row.exit)}`);
    this.word.title = VERDICTS[row.verdict] || "";
    this.track.setAttribute("aria-label", `${this.name}: ${row.verdict}${row.exit === null ? "" : `, after ${plural(row.exit, "token")} of the loop`}`);
    setText(this.text, row.exit === null ? "It never left." : row.text || "(nothing)");
  }

  toggle() {
    this.text.hidden = !this.text.hidden;
    this.open.setAttribute("aria-expanded", String(!this.text.hidden));
  }

  point(event) {
    const box = this.track.getBoundingClientRect();
    this.at = clamp(Math.floor(((event.clientX - box.left) / box.width) * this.most), 0, Math.max(0, this.pieces.length - 1));
    this.tell();
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -this.at, End: this.pieces.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.at = clamp(this.at + step, 0, Math.max(0, this.pieces.length - 1));
    this.tell();
  }

  tell() {
    if (!this.pieces.length) return;
    const back = this.loops.find(([first, end]) => first <= this.at && this.at < end);
    const inside = this.exit === null || this.at < this.exit;
    const what = inside ? "still the loop" : this.at === this.exit ? "its exit" : back ? (back[2] ? "back in the loop" : "in another loop") : "out";
    this.onTell(`${this.name} · token ${this.at} “${quotePiece(this.pieces[this.at])}”: ${what}`);
  }
}

class BoardSection {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
    this.places = null;
    this.rows = [];
    this.build();
  }

  build() {
    this.slider = make("input", { type: "range", class: "gx-range", min: 0, max: 1, step: 1, "aria-label": "Begin after token", oninput: () => this.sayPlace() });
    this.where = make("p", { class: "gx-soft" });
    this.choice = make("div", {});
    this.families = make("div", { class: "gx-escape-families" });
    this.specs = make("textarea", { class: "gx-input gx-area", rows: 4, spellcheck: "false", "aria-label": "Methods to try, one a line" });
    this.specs.value = "greedy\nmomentum:alpha=0.1|0.2|0.4\nnucleus:p=0.5|0.9|0.95\nrepetition_penalty:penalty=1.05|1.2+greedy";
    this.typed = make("div", { hidden: true }, this.specs, make("p", { class: "gx-soft", text: "Values with | between them are several methods: nucleus:p=0.5|0.9|0.95 is three." }));
    this.how = "catalogue";
    const tabs = tabRow("Which methods", [["catalogue", "the catalogue"], ["typed", "methods of your own"]], this.how, (key) => {
      this.how = key;
      this.families.hidden = key !== "catalogue";
      this.typed.hidden = key !== "typed";
    });
    this.draws = numberBox("draws of what draws", 1, 1, 64);
    this.tokens = numberBox("tokens", 64, 1, 512);
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Run the board", onclick: () => this.run() });
    this.stopButton = make("button", { class: "gx-button", type: "button", text: "Stop the board", hidden: true, onclick: () => this.page.stop() });
    this.save = make("button", { class: "gx-button gx-quiet", type: "button", text: "Save its traces", hidden: true, onclick: () => press("gx-loops-save-board") });
    this.say = make("p", { class: "gx-soft", role: "status" });
    this.faults = make("ul", {});
    this.faultBox = make("details", { hidden: true }, make("summary", { text: "Lanes whose numbers failed" }), this.faults);
    this.list = make("ol", { class: "gx-escape-list", "aria-label": "The board: a row a lane" });
    this.read = make("p", { class: "gx-soft gx-escape-read", "aria-live": "polite" });
    this.table = new FigureTable("Figures of every lane", ESCAPE_COLUMNS, ESCAPE_HINT);
    this.table.root.hidden = true;
    this.body = make("div", {},
      this.choice,
      make("div", { class: "gx-escape-where" }, this.slider, this.where),
      tabs.root,
      this.families,
      this.typed,
      make("div", { class: "gx-fields" }, this.draws, this.tokens, this.go, this.stopButton, this.save),
    );
    const about = make("details", {}, make("summary", { text: "What the words mean" }), make("dl", { class: "gx-escape-words" }, ...Object.entries(VERDICTS).flatMap(([word, sentence]) => [make("dt", { text: word }), make("dd", { text: sentence })])), make("p", { class: "gx-soft", text: "After an exit two copies count in place of detection's three: of the same unit, two that fill at least 8 tokens; of another, two that fill two thirds of the fewest tokens of a loop. A loop counts wherever it forms after the exit, also where it was left again." }));
    this.element = make("section", { class: "gx-loop-part gx-escape", "aria-label": "Escape board" },
      make("h3", { text: "Escape board" }),
      make("p", { class: "gx-soft", text: "All methods go on from the same point inside of the loop, with the same key-value cache and one forward a step: who leaves, after how many tokens, and at what cost?" }),
      this.body, this.say, this.faultBox, this.list, this.read, this.table.root, about,
    );
    this.body.hidden = true;
  }

  /** @param {object} state of the page */
  async show(state) {
    const key = JSON.stringify([state.name, state.lane, state.lanes, state.ndjson.length]);
    if (key === this.shown) return;
    this.shown = key;
    this.clear();
    this.body.hidden = true;
    if (!state.lanes.length) {
      showWords(this.say, "A run with a loop is needed first.");
      return;
    }
    const found = await this.page.bridge.ask({ ask: "escape_places" });
    if (!found || key !== this.shown) return;
    if (found.error) showProblem(this.say, found.error);
    else this.take(found);
  }

  clear() {
    this.rows = [];
    this.list.replaceChildren();
    this.table.root.hidden = true;
    this.save.hidden = true;
    this.faultBox.hidden = true;
    setText(this.read, "");
  }

  take(found) {
    this.places = found;
    this.body.hidden = found.loops.length === 0;
    if (this.body.hidden) {
      showWords(this.say, "This lane has no loop to leave: choose one that has, or run it for more tokens.");
      return;
    }
    showWords(this.say, "");
    const input = fieldOf(this.tokens);
    input.max = found.most_tokens;
    if (!this.families.childElementCount) this.drawFamilies(found.methods);
    const named = found.loops.map(({ least, period, most }, k) => [String(k), `${plural(period, "token")}, ${least - period} to ${most}`]);
    this.choice.replaceChildren(...(named.length > 1 ? [choiceBox("which loop", named, String(named.length - 1), (value) => this.chooseLoop(Number(value)))] : []));
    this.chooseLoop(named.length - 1, found.at);
    if (found.board) this.finish(found.board);
  }

  drawFamilies(methods) {
    this.boxes = methods.map(([heading, specs]) => {
      const box = make("input", { type: "checkbox", "aria-label": heading });
      box.checked = true;
      this.families.append(make("label", { class: "gx-check", title: specs.map(([, title]) => title).join("\n") }, box, ` ${heading} (${specs.length})`));
      return [box, specs.map(([spec]) => spec)];
    });
  }

  chooseLoop(number, at) {
    const loop = this.places.loops[number];
    this.loop = loop;
    this.slider.min = loop.least;
    this.slider.max = loop.most;
    this.slider.value = at ?? Math.min(loop.most, loop.onset + 3 * loop.period);
    this.sayPlace();
  }

  sayPlace() {
    const { onset, period, unit } = this.loop;
    const at = Number(this.slider.value);
    const begun = (at - onset) % period;
    const next = [...unit.slice(begun), ...unit].slice(0, 8).map(quotePiece).join("");
    const words = `Begin after token ${formatCount(at)}: ${((at - onset) / period).toFixed(1)} copies of ${plural(period, "token")} stand there; the loop would go on “${next}…”`;
    setText(this.where, words);
    this.slider.setAttribute("aria-valuetext", words);
  }

  /** What is asked for: specs, none for the whole catalogue. */
  methods() {
    if (this.how === "typed") return this.specs.value.split("\n").filter((spec) => spec.trim());
    const chosen = this.boxes.filter(([box]) => box.checked);
    return chosen.flatMap(([, specs]) => specs);
  }

  async run() {
    if (this.page.job) {
      showWords(this.say, "Something else is under way on this page: wait for it, or stop it above.");
      return;
    }
    const decoders = this.methods();
    if (!decoders.length) {
      showProblem(this.say, { message: "No method is chosen.", hint: "Tick a family, or type a method." });
      return;
    }
    const found = await this.page.bridge.ask({ ask: "escape", at: Number(this.slider.value), decoders, draws: wholeOf(this.draws), tokens: wholeOf(this.tokens) });
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    this.clear();
    this.go.disabled = true;
    this.stopButton.hidden = false;
    const ended = await this.page.follow(found, (news) => this.news(news), () => (this.rows.length ? { have: this.rows.map((row) => row.pieces.length) } : {}));
    this.go.disabled = false;
    this.stopButton.hidden = true;
    if (!ended) showProblem(this.say, { message: "The board ended early.", hint: this.page.say.textContent });
  }

  news(news) {
    if (news.said) showWords(this.say, news.said);
    if (news.live) this.drawLive(news.live);
    if (news.board) this.finish(news.board);
  }

  makeRow(label, decoder, draw) {
    return new EscapeRow(draw > 1 ? `${label} #${draw}` : label, decoder, (words) => setText(this.read, words));
  }

  drawLive({ names, lanes, tokens }) {
    if (names && !this.rows.length) {
      this.rows = names.map(([label, decoder, draw]) => this.makeRow(label, decoder, draw));
      this.list.replaceChildren(...this.rows.map((row) => row.root));
    }
    lanes.forEach((lane, k) => this.rows[k] && this.rows[k].feed(lane, tokens));
  }

  finish(board) {
    const most = Math.max(1, ...board.rows.map((row) => row.tokens));
    const shares = new Map(board.shares.map((share) => [share.decoder, share]));
    this.rows = board.rows.map((data) => {
      const row = this.makeRow(data.label, data.decoder, data.draw);
      row.feed({ from: 0, pieces: data.pieces, exit: data.exit, loops: data.loops }, most);
      row.finish(data);
      return row;
    });
    this.list.replaceChildren(...this.rows.map((row) => row.root));
    this.table.draw(board.rows.map((data, k) => ({ ...data, name: this.rows[k].name, near_words: data.near.join(", "), left_words: shareWords(shares.get(data.decoder)) })));
    this.table.root.hidden = board.rows.length === 0;
    this.save.hidden = board.rows.length === 0;
    const left = board.rows.filter((row) => row.exit !== null).length;
    const stopped = board.stopped ? " It was stopped: lanes may be shorter, and coherence was not read." : "";
    const missing = board.missing ? ` ${plural(board.missing, "lane")} had not begun.` : "";
    showWords(this.say, `${left} of ${plural(board.rows.length, "lane")} left the loop.${stopped}${missing}`);
    this.faults.replaceChildren(...board.failures.map((words) => make("li", { text: words })));
    this.faultBox.hidden = board.failures.length === 0;
  }
}

/** "" for a method that was run once: its row says it all. */
function shareWords(share) {
  if (!share || share.left.n < 2) return "";
  const { value, low, high, n } = share.left;
  const percent = (x) => (100 * x).toFixed(0);
  return `${percent(value)} % (${percent(low)} to ${percent(high)}), n ${n}`;
}
