// A loop taken apart: its copies under each other, curves over them, and how it could be left.

const COPY_COLOURS = [["surprisal", "surprisal"], ["entropy", "entropy"], ["rank", "rank"]];
const LOOP_KINDS = { exact: "exact", edited: "with edits", counting: "a list that counts", paraphrase: "a paraphrase cycle", meaning: "a cycle of meaning" };

class AnatomySection {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
    this.found = null;
    this.colour = "surprisal";
    this.element = make("section", { class: "gx-loop-part gx-anatomy", hidden: true, "aria-label": "The loop taken apart" });
    this.say = make("p", { class: "gx-soft", role: "status" });
    this.choiceSlot = make("div", { class: "gx-fields" });
    this.words = make("p", { class: "gx-no-return" });
    this.copiesSlot = make("div", {});
    this.exitsSlot = make("div", { class: "gx-loop-scroll", tabindex: 0, role: "region", "aria-label": "Exits, copy by copy" });
    this.buildCurves();
    this.body = make("div", { hidden: true },
      make("h4", { text: "Copies under each other" }),
      this.copiesSlot,
      make("h4", { text: "Over the copies" }),
      this.curvesSlot,
      make("h4", { text: "The moment of no return" }),
      this.words,
      make("details", { class: "gx-about" }, make("summary", { text: "What is computed" }), make("p", { class: "gx-soft", text: "All of it is under the model's own law p, whatever method wrote the loop, and is read off the tokens that stand there. An exit is a place of the copy: the probability that p gives to all tokens but the loop's own. The widest exit is the place where that is most, the narrowest where it is least. “Whole copy” is the product of the probabilities of its tokens: how often draws from p would write all of it. The margin is the smallest gap, in bits, between the loop's token and the likeliest other; below 0 greedy decoding would have left there. Greedy is caught from the first copy from which on the loop's token is the likeliest at every place, to the end of the text: it says nothing of copies that were never written, and a method that looks at more than p (a penalty, a ban) may leave all the same." })),
      this.exitsSlot,
    );
    this.element.append(make("h3", { text: "The loop taken apart" }), this.choiceSlot, this.say, this.buildMeaning(), this.body);
  }

  buildCurves() {
    this.log = make("input", { type: "checkbox", onchange: () => this.drawCurves() });
    const onPick = (line, place) => isNumber(line.tokens && line.tokens[place]) && this.page.pinToken(line.tokens[place]);
    this.charts = {
      p: new CurveChart("Probability of each token of the unit, and their geometric mean", { xName: "copy", format: formatPercent, onPick }),
      entropy: new CurveChart("Entropy of the law at each place, bits", { xName: "copy", format: (value) => `${value.toFixed(2)} bits`, onPick }),
      rank: new CurveChart("Rank of each token (0 is the likeliest)", { xName: "copy", format: (value) => (Number.isInteger(value) ? formatCount(value) : value.toFixed(1)), onPick }),
    };
    this.curvesSlot = make("div", {}, make("label", { class: "gx-check" }, this.log, " probabilities on a log scale"), make("div", { class: "gx-curve-row" }, ...Object.values(this.charts).map((chart) => chart.element)));
  }

  buildMeaning() {
    this.strictness = numberBox("strictness", 2.5, 0, 10, { step: 0.1 });
    this.meaningSay = make("p", { class: "gx-soft", role: "status" });
    this.lookFor = make("button", { class: "gx-button", type: "button", text: "Look for cycles of meaning", onclick: () => this.meaning() });
    return make("details", { class: "gx-about" },
      make("summary", { text: "Sentences that say the same in other words" }),
      make("p", { class: "gx-soft", text: "Above, sentences are compared by their words. Here the model reads the text and compares the means of its own last states: how many standard deviations two sentences must be more alike than unlike ones is the strictness. It is a blunt tool: at 2.5 it finds what is said again with other words now and then, and calls a text that keeps to one manner a cycle as well." }),
      make("div", { class: "gx-fields" }, this.strictness, this.lookFor),
      this.meaningSay,
    );
  }

  async meaning() {
    if (this.page.job) {
      showProblem(this.meaningSay, { message: "Other work is under way.", hint: "Wait for it, or stop it." });
      return;
    }
    const begun = await this.page.bridge.ask({ ask: "meaning", strictness: Number(fieldOf(this.strictness).value) });
    if (!begun) return;
    if (begun.error) {
      showProblem(this.meaningSay, begun.error);
      return;
    }
    this.lookFor.disabled = true;
    showWords(this.meaningSay, "Reading the text…");
    let count = 0;
    const ended = await this.page.follow(begun, (news) => {
      count = news.new || count;
    });
    this.lookFor.disabled = false;
    showWords(this.meaningSay, ended ? ended.said : "It ended early; what stood in the way is said above.");
    if (ended && count) await this.open(null, "meaning");
  }

  /** @param {object} state of the page */
  async show(state) {
    this.element.hidden = state.lanes.length === 0;
    if (this.element.hidden) return;
    const key = `${state.lane}|${state.ndjson.length}|${state.ndjson.slice(0, 200)}`;
    if (key === this.shown) return;
    this.shown = key;
    await this.open(null);
  }

  /** Takes a loop of the lane apart; null chooses the longest, or the first of a kind. */
  async open(loop, kind = null) {
    let found = await this.page.bridge.ask({ ask: "anatomy", loop });
    if (found && kind && found.loops) {
      const first = found.loops.findIndex((one) => one.kind === kind);
      if (first !== -1) found = await this.page.bridge.ask({ ask: "anatomy", loop: first });
    }
    if (!found) return;
    if (found.error) {
      this.body.hidden = true;
      showProblem(this.say, found.error);
      return;
    }
    this.take(found);
  }

  take(found) {
    this.found = found.anatomy;
    this.body.hidden = !this.found;
    this.choiceSlot.replaceChildren();
    if (this.found) {
      const named = found.loops.map((one, k) => [String(k), `${LOOP_KINDS[one.kind]} · tokens ${one.onset} to ${one.end - 1} · ${one.copies} copies of ${Number(one.period.toFixed(1))}`]);
      this.choiceSlot.append(choiceBox("loop", named, String(found.loop), (value) => this.open(Number(value))));
      this.tokens = new Map(this.found.tokens.map((token, k) => [this.found.onset + k, { t: token[0], x: token[1], s: token[2], h: token[3], r: token[4] }]));
      showWords(this.say, this.aboutLoop());
      this.drawCopies();
      this.drawCurves();
      this.drawExits();
    } else {
      showWords(this.say, "This lane has no loop, exact or nearly so: run it for more tokens, or take another method.");
    }
    for (const listener of this.listeners || []) listener(this.found, found.loop);
  }

  /** Calls back with every loop that is opened; null where there is none. */
  onOpen(listener) {
    this.listeners = [...(this.listeners || []), listener];
  }

  aboutLoop() {
    const { kind, copies, incomplete, period, onset, hidden } = this.found;
    const columns = this.found.unit.length;
    const near = kind === "exact" ? "" : ` Copies differ: each is aligned, by the fewest edits, with the one that is most like the others; a dashed frame marks what differs from it, an empty place what is missing.`;
    return `The loop is ${LOOP_KINDS[kind]}: ${copies} whole copies${incomplete ? " and one that is cut short" : ""} of ${kind === "exact" ? plural(columns, "token") : `about ${period.toFixed(1)} tokens`}, from token ${onset} on.${near}${hidden ? ` ${formatCount(hidden)} copies between the first and the last ones have no row.` : ""}`;
  }

  // Copies under each other.

  drawCopies() {
    const { before, rows, unit, kind } = this.found;
    const table = make("table", { class: "gx-copies", "data-colour": this.colour, role: "grid", "aria-label": "Copies of the loop, one a row, one place of the unit a column" });
    const head = make("tr", {}, make("th", { scope: "col", text: "copy" }), ...unit.map((_, k) => make("th", { scope: "col", text: k + 1 })));
    const bodies = rows.map((row, k) => make("tr", { "data-copy": k }, make("th", { scope: "row", text: this.nameOf(k) }), ...row.map((index, column) => this.cell(index, unit[column], kind, column))));
    table.append(make("thead", {}, head), make("tbody", {}, ...bodies));
    this.scroll = make("div", { class: "gx-loop-scroll gx-copies-scroll" }, table);
    table.addEventListener("click", (event) => this.pinCell(event.target.closest("td[data-i]")));
    table.addEventListener("keydown", (event) => this.key(event, table));
    const first = table.querySelector("td[data-i]");
    if (first) first.tabIndex = 0;
    const colours = tabRow("colour of the cells", COPY_COLOURS, this.colour, (key) => {
      this.colour = key;
      table.dataset.colour = key;
      stood.dataset.colour = key;
    });
    const go = (text, row) => make("button", { class: "gx-button gx-quiet", type: "button", text, onclick: () => this.goTo(row) });
    const stood = make("p", { class: "gx-soft gx-before", "data-colour": this.colour });
    if (before) {
      const token = { t: before.token[0], x: before.token[1], s: before.token[2], h: before.token[3], r: before.token[4] };
      const button = make("button", { type: "button", class: cellClasses(token), text: quotePiece(token.x), title: describeToken(token, before.index), onclick: () => this.page.pinToken(before.index) });
      stood.append(`before it, token ${before.index}: `, button);
    } else stood.append("The loop begins with the first token: before it stands the prompt.");
    this.copiesSlot.replaceChildren(make("div", { class: "gx-row" }, colours.root, go("First copy", 0), go("Last copy", rows.length - 1)), stood, this.scroll);
  }

  nameOf(k) {
    const { figures, copies } = this.found;
    const { copy } = figures[k];
    return copy < copies ? String(copy + 1) : `${copy + 1}, cut`;
  }

  cell(index, ofUnit, kind, column) {
    if (index === null) return make("td", { class: "gx-copy-gap", "aria-label": "nothing here" });
    const token = this.tokens.get(index);
    const own = ofUnit === null ? null : this.tokens.get(ofUnit).t;
    const differs = kind !== "exact" && own !== token.t;
    const cell = make("td", { class: `${cellClasses(token)}${differs ? " gx-copy-changed" : ""}`, "data-i": index, tabindex: -1, title: `place ${column + 1}: ${describeToken(token, index)}${differs ? (own === null ? ", added" : ", changed") : ""}` });
    writePiece(cell, token.x);
    return cell;
  }

  pinCell(cell) {
    if (!cell) return;
    const old = this.copiesSlot.querySelector("td.gx-copy-pinned");
    if (old) old.classList.remove("gx-copy-pinned");
    cell.classList.add("gx-copy-pinned");
    this.page.pinToken(Number(cell.dataset.i));
  }

  goTo(row) {
    const line = this.copiesSlot.querySelector(`tr[data-copy="${row}"]`);
    if (line) this.scroll.scrollTop = row === 0 ? 0 : line.offsetTop - this.scroll.clientHeight + line.offsetHeight + 2;
  }

  key(event, table) {
    const cell = event.target.closest("td[data-i]");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      event.stopPropagation();
      this.pinCell(cell);
      return;
    }
    const row = cell.parentElement;
    const column = [...row.children].indexOf(cell);
    const rows = [...table.tBodies[0].rows];
    const at = rows.indexOf(row);
    const next = {
      ArrowRight: () => [...row.children].slice(column + 1).find((one) => one.dataset.i),
      ArrowLeft: () => [...row.children].slice(0, column).reverse().find((one) => one.dataset.i),
      ArrowDown: () => rows.slice(at + 1).map((one) => one.children[column]).find((one) => one.dataset.i),
      ArrowUp: () => rows.slice(0, at).reverse().map((one) => one.children[column]).find((one) => one.dataset.i),
      Home: () => (event.ctrlKey ? rows[0] : row).querySelector("td[data-i]"),
      End: () => [...(event.ctrlKey ? rows[rows.length - 1] : row).querySelectorAll("td[data-i]")].pop(),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    const to = next();
    if (!to) return;
    cell.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  // Curves.

  drawCurves() {
    const { rows, unit, figures, copies } = this.found;
    const isWhole = (k) => figures[k].copy < copies;
    const names = rows.map((_, k) => this.nameOf(k));
    const lines = (valueOf) => unit.flatMap((index, column) => {
      // Places that few copies have are in the table; their lines would be dots.
      if (index === null) return [];
      const tokens = rows.map((row) => row[column]);
      return [{ name: `place ${column + 1} “${quotePiece(this.tokens.get(index).x)}”`, tokens, values: tokens.map((i) => (i === null ? null : valueOf(this.tokens.get(i)))) }];
    });
    const mean = (name, valueOf) => ({ name, strong: true, values: rows.map((row, k) => (isWhole(k) ? valueOf(row, k) : null)) });
    const meanOf = (key) => (row) => {
      const own = row.filter((index) => index !== null);
      return own.reduce((sum, index) => sum + this.tokens.get(index)[key], 0) / Math.max(1, own.length);
    };
    const ps = [mean("geometric mean", (_, k) => probabilityOfSurprisal(figures[k].mean)), ...lines((token) => probabilityOfSurprisal(token.s))];
    const hs = [mean("mean", (row) => toBits(meanOf("h")(row))), ...lines((token) => toBits(token.h))];
    const ranks = [mean("mean", meanOf("r")), ...lines((token) => token.r)];
    const all = (drawn) => drawn.flatMap((line) => line.values).filter(isNumber);
    this.charts.p.draw(ps, this.log.checked ? logShareScale(all(ps)) : shareScale(), names);
    this.charts.entropy.draw(hs, plainScale(all(hs)), names);
    this.charts.rank.draw(ranks, rankScale(all(ranks)), names);
  }

  // How it could be left.

  drawExits() {
    setText(this.words, noReturnWords(this.found, (index) => this.placeOf(index)));
    const head = ["copy", "whole copy", "widest exit", "at", "likeliest other", "narrowest exit", "margin", "likeliest at"];
    const rows = this.found.figures.map((one, k) => make("tr", {},
      make("th", { scope: "row", text: this.nameOf(k) }),
      make("td", { text: formatShare(probabilityOfSurprisal(one.through)) }),
      make("td", { text: formatShare(one.widest_mass) }),
      make("td", {}, make("button", { class: "gx-button gx-quiet gx-place", type: "button", text: `${this.placeOf(one.widest)} “${quotePiece(this.tokens.get(one.widest).x)}”`, title: `Show token ${one.widest}`, onclick: () => this.page.pinToken(one.widest) })),
      make("td", { text: one.other === null ? "–" : `“${quotePiece(one.other)}” ${formatShare(one.other_mass)}` }),
      make("td", { text: formatShare(one.narrowest_mass) }),
      make("td", { class: isNumber(one.margin) && one.margin < 0 ? "gx-bad" : "", text: isNumber(one.margin) ? formatBits(one.margin) : "–" }),
      make("td", { text: `${one.argmax} of ${one.tokens}` }),
    ));
    this.exitsSlot.replaceChildren(make("table", { class: "gx-shares gx-exits" }, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...rows)));
  }

  /** "place 4" of the unit at which a token of the loop stands. */
  placeOf(index) {
    for (const row of this.found.rows) {
      const column = row.indexOf(index);
      if (column !== -1) return `place ${column + 1}`;
    }
    return `token ${index}`;
  }
}

/** The colours of a token without being one: what moves through tokens keeps to the stage. */
const cellClasses = (token) => tokenClasses(token).replace("gx-token", "gx-cell");

/** A share of any size: small ones keep two digits. */
function formatShare(value) {
  if (!isNumber(value)) return "–";
  if (value > 0 && value < 0.001) return value < 1e-12 ? "<1e−12" : value.toExponential(1).replace("-", "−");
  return formatPercent(value);
}

/** The moment of no return in a sentence. */
function noReturnWords(found, placeOf) {
  const { figures, caught, leaves, copies, decoder, tokens, onset } = found;
  const whole = figures.filter((one) => one.copy < copies);
  const last = whole[whole.length - 1];
  const exit = (one) => `the widest exit is ${placeOf(one.widest)}, “${quotePiece(tokens[one.widest - onset][1])}”, with ${formatShare(one.widest_mass)}`;
  const growth = `In copy 1 ${exit(whole[0])}; in copy ${copies} ${exit(last)}, and all of that copy has probability ${formatShare(probabilityOfSurprisal(last.through))} under p.`;
  if (leaves) {
    const wanted = isNumber(leaves.expected_mass) ? formatShare(leaves.expected_mass) : "a probability that the trace does not keep";
    return `The loop was left at token ${leaves.index}: it said “${quotePiece(leaves.piece)}” (${formatShare(leaves.mass)}) where the loop would have gone on with “${quotePiece(leaves.expected)}” (${wanted}). ${growth}`;
  }
  if (caught === null) return `Greedy is not caught: somewhere in the last copy another token was likelier than the loop's own. ${growth}`;
  const [copy, token] = caught;
  const name = copy < copies ? `copy ${copy + 1}` : "the copy that is cut short";
  const start = `From ${name} (token ${token}) on greedy cannot leave: at every place the loop's own token is the likeliest, to the end of the text.`;
  const own = decoder === "greedy" ? " This run is greedy itself, so that holds from the first copy by what greedy is; what changes is how wide the exits are." : "";
  return `${start}${own} ${growth}`;
}
