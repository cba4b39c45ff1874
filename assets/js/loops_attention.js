// Where a copy of the loop looks: heads ranked by their mass on the copies before it.

const LOOK = { width: 640, height: 120 };

class AttentionSection {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
    this.loop = null;
    this.order = "after";
    this.head = null;
    this.place = 0;
    this.element = make("section", { class: "gx-loop-part gx-attention", hidden: true, "aria-label": "Where a copy looks" });
    this.copy = numberBox("copy", 2, 2, 2);
    this.go = make("button", { class: "gx-button", type: "button", text: "Read attention", onclick: () => this.read() });
    this.say = make("p", { class: "gx-soft", role: "status" });
    this.out = make("div", {});
    this.element.append(
      make("h3", { text: "Where a copy looks" }),
      make("p", { class: "gx-soft gx-about", text: "One copy is read once more, in the form of attention that shows its weights; the masses are means over its tokens. A head that looks at the same place of earlier copies finds the token again; one that looks at the token after it (an induction head) finds what came next, which is what the model is to say." }),
      make("div", { class: "gx-fields" }, this.copy, this.go),
      this.say,
      this.out,
    );
  }

  show() {
    if (this.listens) return;
    this.listens = true;
    this.page.sections.find((one) => one instanceof AnatomySection).onOpen((found, loop) => this.open(found, loop));
  }

  /** Another loop is taken apart; null where there is none. */
  open(found, loop) {
    const copies = found ? found.copies + (found.incomplete ? 1 : 0) : 0;
    this.element.hidden = copies < 2;
    if (this.element.hidden) return;
    this.loop = loop;
    const input = fieldOf(this.copy);
    input.max = copies;
    input.value = Math.max(2, found.copies);
    this.found = null;
    this.out.replaceChildren();
    showWords(this.say, `Copies 2 to ${copies} have others before them.`);
  }

  async read() {
    if (this.page.job) {
      showProblem(this.say, { message: "Other work is under way.", hint: "Wait for it, or stop it." });
      return;
    }
    const begun = await this.page.bridge.ask({ ask: "attention", loop: this.loop, copy: wholeOf(this.copy) - 1 });
    if (!begun) return;
    if (begun.error) {
      showProblem(this.say, begun.error);
      return;
    }
    this.go.disabled = true;
    showWords(this.say, "Reading…");
    let attention = null;
    const ended = await this.page.follow(begun, (news) => {
      attention = news.attention || attention;
    });
    this.go.disabled = false;
    if (!ended || !attention) {
      showWords(this.say, "Nothing was read; what stood in the way is said above.");
      return;
    }
    this.take(attention);
  }

  take(found) {
    this.found = found;
    showWords(this.say, `Copy ${found.copy + 1}, ${plural(found.pieces.length, "token")}, over ${found.copies === 1 ? "the copy" : `the ${found.copies} copies`} before it: ${found.layers} layers of ${found.heads} heads were read; the first ${found.same.length} of each order are shown.`);
    this.tableSlot = make("div", { class: "gx-loop-scroll" });
    this.lookSlot = make("div", {});
    const orders = tabRow("ranked by", [["after", "the token after the same place"], ["same", "the same place"]], this.order, (order) => {
      this.order = order;
      this.drawTable();
      this.choose(this.heads()[0]);
    });
    this.out.replaceChildren(orders.root, this.tableSlot, this.lookSlot);
    this.drawTable();
    this.choose(this.heads()[0]);
  }

  heads() {
    return this.found[this.order];
  }

  drawTable() {
    const { back, copies } = this.found;
    const backs = Array.from({ length: back }, (_, k) => `${k + 1} back`);
    const head = ["layer.head", "all copies", ...backs, ...(copies > back ? ["before those"] : []), "first token", "own copy"];
    const rows = this.heads().map((one) => {
      const name = `${one.layer}.${one.head}`;
      const masses = [one.total, ...one.back, ...(copies > back ? [one.rest] : []), one.first, one.own];
      const button = make("button", { class: "gx-button gx-quiet gx-place", type: "button", text: name, "aria-label": `Head ${name}: where it looks`, onclick: () => this.choose(one) });
      return make("tr", { "data-head": name }, make("th", { scope: "row" }, button), ...masses.map((mass, k) => this.mass(mass, k)));
    });
    this.tableSlot.replaceChildren(make("table", { class: "gx-shares gx-heads" }, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...rows)));
  }

  mass(value, column) {
    const cell = make("td", { class: "gx-mass", text: formatPercent(value) });
    // What looks at no earlier copy has no colour of theirs.
    if (column <= this.found.back) cell.style.setProperty("--gx-mass", `${Math.round(65 * clamp(value, 0, 1))}%`);
    return cell;
  }

  choose(head) {
    this.head = head;
    for (const row of this.tableSlot.querySelectorAll("tr[data-head]")) row.classList.toggle("gx-on", row.dataset.head === `${head.layer}.${head.head}`);
    this.look(clamp(this.place, 0, this.found.pieces.length - 1));
  }

  async look(place) {
    this.place = place;
    const { layer, head } = this.head;
    const found = await this.page.bridge.ask({ ask: "look", layer, head, place });
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    this.drawLook(found, layer, head);
  }

  drawLook({ weights, same, best, prompt }, layer, head) {
    const words = make("div", { class: "gx-look-words", role: "group", "aria-label": "Token of the copy" }, ...this.found.pieces.map((piece, k) => make("button", { class: "gx-button gx-quiet gx-place", type: "button", text: quotePiece(piece), "aria-pressed": String(k === this.place), onclick: () => this.look(k) })));
    const held = this.lookSlot.contains(document.activeElement) && document.activeElement.matches(".gx-look-words button");
    const top = Math.max(...weights) || 1;
    const marks = new Set(same);
    const width = LOOK.width / weights.length;
    const svg = makeSvg("svg", { class: "gx-look", viewBox: `0 0 ${LOOK.width} ${LOOK.height}`, preserveAspectRatio: "none", role: "img", "aria-label": `Weights of head ${layer}.${head} over all tokens before; orange bars are the same place in earlier copies` });
    const bar = (k) => `M${(k * width).toFixed(2)} ${LOOK.height}V${(LOOK.height - (LOOK.height - 4) * (weights[k] / top)).toFixed(1)}H${((k + 1) * width).toFixed(2)}V${LOOK.height}Z`;
    const all = [...weights.keys()];
    svg.append(
      makeSvg("rect", { class: "gx-look-prompt", x: 0, y: 0, width: (prompt * width).toFixed(2), height: LOOK.height }),
      ...same.map((k) => makeSvg("rect", { class: "gx-look-same", x: (k * width).toFixed(2), y: 0, width: Math.max(1, width).toFixed(2), height: LOOK.height })),
      makeSvg("path", { class: "gx-look-bar", d: all.filter((k) => !marks.has(k)).map(bar).join("") }),
      makeSvg("path", { class: "gx-look-there", d: all.filter((k) => marks.has(k)).map(bar).join("") }),
    );
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const at = Math.floor(((event.clientX - box.left) / box.width) * weights.length) - prompt;
      if (at >= 0) this.page.pinToken(at);
    });
    const listed = best.map(({ index, piece, mass }) => {
      const where = index < 0 ? "prompt" : `token ${index}`;
      const text = `“${quotePiece(piece)}” ${where}: ${formatPercent(mass)}`;
      return make("li", {}, index < 0 ? make("span", { text }) : make("button", { class: "gx-button gx-quiet gx-place", type: "button", text, onclick: () => this.page.pinToken(index) }));
    });
    this.lookSlot.replaceChildren(
      make("h4", { text: `Head ${layer}.${head}: where the chosen token looks` }),
      words,
      svg,
      make("p", { class: "gx-soft", text: "From the first token of the prompt (shaded) to the chosen one; lines mark its place in earlier copies. Click to see a token." }),
      make("ol", { class: "gx-look-best" }, ...listed),
    );
    if (held) words.children[this.place].focus();
  }
}
