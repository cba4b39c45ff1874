// The Traces page: files opened without a model, branches that grow from any token, and proofs.

const JOB_POLL_MS = 400;

class TracesPage {
  /** @param {Element} root @param {{catalog: Array<object>}} config */
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.bridge = bridgeOf("traces");
    this.state = { branches: [], shown: [], ndjson: "" };
    this.job = null;
    this.pin = null;
    this.build();
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.start()).observe(root);
  }

  build() {
    this.root.classList.add("gx", "gx-traces");
    this.say = make("p", { class: "gx-soft", role: "status" });
    this.meter = make("progress", { class: "gx-meter", max: "1", hidden: true, "aria-label": "How far it is" });
    this.stopButton = make("button", { class: "gx-button", type: "button", text: "Stop", hidden: true, onclick: () => this.stop() });
    const act = (text, title, onclick) => make("button", { class: "gx-button", type: "button", text, title, onclick });
    this.verifyButton = act("Verify", "Run the model over every lane and compare every figure", () => this.verify());
    this.undoButton = act("Undo", "Take the latest edit back", () => this.edit({ ask: "undo" }));
    this.redoButton = act("Redo", "Make it again", () => this.edit({ ask: "redo" }));
    this.saves = [["jsonl", "Save traces"], ["html", "Save page"]].map(([kind, text]) =>
      act(text, kind === "jsonl" ? "All branches, as JSON lines" : "The lanes shown, as a page that opens anywhere", () => press(`gx-traces-save-${kind}`)),
    );
    this.list = make("ol", { class: "gx-branches", "aria-label": "Branches" });
    this.forkSlot = make("div", {});
    this.partSlot = make("div", {});
    this.stageSlot = make("div", {});
    this.work = make(
      "div",
      { hidden: true },
      make("div", { class: "gx-row" }, this.verifyButton, this.undoButton, this.redoButton, ...this.saves),
      make("div", { class: "gx-row" }, this.meter, this.say, this.stopButton),
      this.list,
      make("div", { class: "gx-bench" }, this.forkSlot, this.partSlot),
      this.stageSlot,
    );
    this.empty = make("p", { class: "gx-soft gx-about", text: "Open a trace file, or take the latest run of the Compare page. Everything it holds is shown without a model; with its model, every figure can be proved, and any token can be the start of another branch." });
    this.root.replaceChildren(this.empty, this.work);
  }

  start() {
    if (this.started) return;
    this.started = true;
    this.refresh();
  }

  async ask(question, counts = false) {
    const found = await this.bridge.ask(question, counts);
    if (found && found.error) showProblem(this.say, found.error);
    return found && !found.error ? found : null;
  }

  /** Takes the latest run of the Compare page. */
  async take(where = "compare") {
    this.started = true;
    const found = await this.bridge.ask({ ask: "take", where });
    if (!found) return null;
    if (found.error) {
      const line = make("p", {});
      showProblem(line, found.error);
      this.empty.replaceChildren(line);
      if (!this.work.hidden) showProblem(this.say, found.error);
      return null;
    }
    this.show(found);
    return found;
  }

  /** Takes the run, and goes on from one of its tokens with another. */
  async takeAndFork(lane, index, token) {
    const found = await this.take();
    if (found && this.state.shown[lane]) this.fork({ lane, index, token });
  }

  /** Shows what the server has; a file may just have come. */
  async refresh() {
    this.started = true;
    const found = await this.ask({ ask: "state" });
    if (found) this.show(found);
  }

  show(state) {
    const redraw = state.ndjson !== this.state.ndjson;
    this.state = state;
    const some = state.branches.length > 0;
    this.work.hidden = !some;
    this.empty.hidden = some;
    this.undoButton.disabled = !state.can_undo;
    this.redoButton.disabled = !state.can_redo;
    if (some && !this.job) showWords(this.say, `${state.name} · ${plural(state.branches.length, "lane")}`);
    this.drawBranches();
    if (redraw) this.drawStage();
    this.drawFork();
    this.drawPart();
    // Work that this page lost sight of: the server was out of reach for a moment.
    if (state.work && !this.job) this.follow(state.work);
  }

  // The branches.

  drawBranches() {
    const depth = new Map();
    const ordered = [];
    const visit = (parent, level) => {
      for (const branch of this.state.branches.filter((one) => one.parent === parent)) {
        depth.set(branch.id, level);
        ordered.push(branch);
        visit(branch.id, level + 1);
      }
    };
    visit(null, 0);
    // What somebody is typing stays, and so does the place where.
    const fields = () => [...this.list.querySelectorAll("[data-was]")];
    const typing = new Map(fields().filter((field) => field.value !== field.dataset.was).map((field) => [field.dataset.key, field.value]));
    const { key } = this.list.contains(document.activeElement) ? document.activeElement.dataset : {};
    this.drawing = true;
    this.list.replaceChildren(...ordered.map((branch) => this.branchRow(branch, depth.get(branch.id))));
    this.drawing = false;
    for (const field of fields()) if (typing.has(field.dataset.key)) field.value = typing.get(field.dataset.key);
    const focused = key && this.list.querySelector(`[data-key="${key}"]`);
    if (focused) focused.focus();
  }

  /** A text of a branch that can be changed; it is sent as one leaves it. */
  branchText(kind, branch, value, options) {
    const send = () => {
      if (this.drawing || field.value === field.dataset.was) return;
      field.dataset.was = field.value;
      this.edit({ ask: kind, branch: branch.id, text: field.value });
    };
    const field = make("input", { type: "text", value, "data-was": value, "data-key": `${kind}-${branch.id}`, onblur: send, onkeydown: (event) => event.key === "Enter" && send(), ...options });
    return field;
  }

  branchRow(branch, level) {
    const shown = this.state.shown.includes(branch.id);
    const box = make("input", { type: "checkbox", checked: shown, "aria-label": `Show ${branch.name}`, "data-key": `show-${branch.id}`, onchange: () => this.toggle(branch, box.checked) });
    box.checked = shown;
    const name = this.branchText("rename", branch, branch.name, { class: "gx-input gx-branch-name", "aria-label": `Name of ${branch.name}`, maxlength: 200 });
    const note = this.branchText("annotate", branch, branch.note, { class: "gx-input gx-branch-note", placeholder: "note", "aria-label": `Note on ${branch.name}`, maxlength: 2000 });
    const facts = [plural(branch.tokens, "token"), stopWord(branch.stop_reason)];
    if (branch.parent) facts.unshift(`from token ${branch.at}`);
    const row = make(
      "li",
      { class: "gx-branch", "data-id": branch.id },
      box,
      name,
      make("span", { class: "gx-soft gx-branch-text", text: branch.text.replace(/\s+/g, " ").trim() || "(nothing)", title: branch.decoder }),
      make("span", { class: "gx-soft", text: facts.join(" · ") }),
      this.findingOf(branch),
      note,
      makeIconButton("close", `Prune ${branch.name} and what grew from it`, () => this.edit({ ask: "prune", branch: branch.id })),
    );
    row.style.setProperty("--gx-level", level);
    return row;
  }

  findingOf({ finding }) {
    if (!finding) return make("span", { class: "gx-finding" });
    if (finding.mismatch) return make("span", { class: "gx-finding gx-bad", text: `✗ ${finding.mismatch.sentence}` });
    const partly = finding.not_checked.length > 0;
    const words = partly ? "✓ agrees as far as it was checked" : "✓ agrees";
    return make("span", { class: "gx-finding gx-good", text: words, title: [...finding.checked, ...finding.not_checked.map((text) => `not checked: ${text}`)].join("\n") });
  }

  toggle(branch, on) {
    const { shown, branches } = this.state;
    const mates = shown.filter((id) => branches.find((one) => one.id === id)?.run === branch.run);
    if (on && mates.length < shown.length) this.edit({ ask: "run", branch: branch.id });
    else this.edit({ ask: "show", branches: on ? [...shown, branch.id] : shown.filter((id) => id !== branch.id) });
  }

  async edit(question) {
    const found = await this.ask(question, true);
    if (found) this.show(found);
    else this.drawBranches();
  }

  // The lanes.

  drawStage() {
    const before = this.pin;
    this.pin = null;
    const root = make("div", {});
    this.stageSlot.replaceChildren(root);
    if (!this.state.ndjson) {
      this.stage = null;
      return;
    }
    this.stage = new Stage(root, {
      catalog: this.config.catalog,
      readOnly: true,
      chart: true,
      value: this.state.ndjson,
      onToken: (detail) => this.onToken(detail),
      onFork: (lane, index, token) => this.fork({ lane, index, token }),
      onAsk: (question, onAnswer) => this.stages(question, onAnswer),
    });
    this.stage.update(this.state.ndjson);
    this.stage.flush();
    const place = before ? this.state.shown.indexOf(before.branch) : -1;
    const lane = place >= 0 ? this.stage.lanes[place] : null;
    if (lane) this.stage.cursor.pin(lane, Math.min(before.index, lane.spans.length - 1));
  }

  onToken({ lane, index }) {
    this.pin = { branch: this.state.shown[lane], index };
    this.drawFork();
  }

  async stages(question, onAnswer) {
    const branch = this.state.shown[question.lane];
    const found = await this.bridge.ask({ ...question, ask: "stages", branch });
    if (found) onAnswer(found);
  }

  // Forks.

  drawFork() {
    const kept = this.forkForm;
    if (!this.pin || !this.pin.branch) {
      this.forkSlot.replaceChildren(make("p", { class: "gx-soft", text: "Click a token to fork there: the lanes that go on from it share everything before." }));
      return;
    }
    const { branch, index } = this.pin;
    const name = this.state.branches.find((one) => one.id === branch)?.name || "";
    const old = (label, fallback) => (kept && kept[label] ? fieldOf(kept[label]).value : fallback);
    const form = {
      text: textBox("and say instead (empty: let it choose)", old("text", ""), { placeholder: " a text, its first space included" }),
      decoder: textBox("with the method (empty: the same)", old("decoder", ""), { placeholder: "nucleus:p=0.9" }),
      count: numberBox("continuations", old("count", 1), 1, 8),
      tokens: numberBox("tokens", old("tokens", 48), 1, 2048),
    };
    this.forkForm = form;
    const go = make("button", { class: "gx-button gx-primary", type: "button", text: "Fork", disabled: Boolean(this.job), onclick: () => this.fork({}) });
    this.forkSlot.replaceChildren(
      make("h4", { text: `Fork before token ${index} of “${name}”` }),
      make("div", { class: "gx-fields" }, form.text, form.decoder, form.count, form.tokens, go),
      make("p", { class: "gx-soft", text: "Or press an alternative of the pinned token, below." }),
    );
  }

  /** Goes on from the pinned token; `token` forces an alternative in its place. */
  async fork({ lane, index, token }) {
    if (this.job) return;
    const pin = lane === undefined ? this.pin : { branch: this.state.shown[lane], index };
    const form = this.forkForm;
    const found = await this.ask({
      ask: "fork",
      branch: pin.branch,
      at: pin.index,
      token: token ?? null,
      text: token === undefined && form ? fieldOf(form.text).value : "",
      decoder: form ? fieldOf(form.decoder).value.trim() : "",
      count: form ? wholeOf(form.count) : 1,
      tokens: form ? wholeOf(form.tokens) : 48,
    });
    if (found) this.follow(found);
  }

  async verify() {
    const found = await this.ask({ ask: "verify" });
    if (found) this.follow(found);
  }

  /** Asks how far some work is until it has ended. */
  async follow(job) {
    this.job = job.job;
    // A Stop that came as the last work ended is not meant for this one.
    this.stopping = false;
    this.stopButton.hidden = false;
    this.verifyButton.disabled = true;
    this.drawFork();
    let found = job;
    while (found && !found.done) {
      this.meter.hidden = found.fraction === null;
      if (found.fraction !== null) this.meter.value = found.fraction;
      showWords(this.say, `${found.what}: ${found.said || "beginning"}`);
      await new Promise((resolve) => setTimeout(resolve, JOB_POLL_MS));
      const stop = this.stopping;
      this.stopping = false;
      found = await this.ask({ ask: "job", job: this.job, stop });
    }
    this.job = null;
    this.meter.hidden = true;
    this.stopButton.hidden = true;
    this.verifyButton.disabled = false;
    if (found) this.show(found);
    else await this.recover();
    if (found && found.what === "Verifying") this.tellVerdict(found);
  }

  /** After a failure: what was made before it is shown, and the words on it stay. */
  async recover() {
    const words = [...this.say.childNodes];
    const [look, role] = [this.say.className, this.say.getAttribute("role")];
    const found = await this.bridge.ask({ ask: "state" });
    if (found && !found.error) this.show(found);
    else this.drawFork();
    if (this.job) return;
    this.say.className = look;
    this.say.setAttribute("role", role);
    this.say.replaceChildren(...words);
  }

  tellVerdict({ branches, stopped }) {
    const checked = branches.filter((branch) => branch.finding);
    const wrong = checked.filter((branch) => branch.finding.mismatch);
    const first = stopped ? `Stopped after ${plural(checked.length, "lane")}. ` : "";
    if (wrong.length === 0) showWords(this.say, `${first}All that was checked agrees: ${plural(checked.length, "lane")}.`);
    else showProblem(this.say, { message: `${first}${plural(wrong.length, "lane")} of ${checked.length} do not agree with the model.`, hint: "The first mismatch of each stands beside it." });
  }

  stop() {
    this.stopping = true;
  }

  // Where two lanes part.

  drawPart() {
    const shown = this.state.shown.map((id) => this.state.branches.find((branch) => branch.id === id)).filter(Boolean);
    if (shown.length < 2) {
      this.partSlot.replaceChildren();
      return;
    }
    const choices = shown.map((branch) => [branch.id, branch.name]);
    const kept = this.partForm;
    const old = (key, fallback) => (kept && this.state.shown.includes(fieldOf(kept[key]).value) ? fieldOf(kept[key]).value : fallback);
    const form = { one: choiceBox("where", choices, old("one", shown[0].id), () => this.part()), other: choiceBox("and", choices, old("other", shown[1].id), () => this.part()) };
    this.partForm = form;
    this.partOut = make("div", {});
    this.partSlot.replaceChildren(
      make("h4", { text: "Where two lanes part" }),
      make("div", { class: "gx-fields" }, form.one, form.other, make("button", { class: "gx-button", type: "button", text: "Compare", onclick: () => this.part() })),
      this.partOut,
    );
  }

  async part() {
    const [one, other] = [fieldOf(this.partForm.one).value, fieldOf(this.partForm.other).value];
    const found = await this.bridge.ask({ ask: "part", one, other });
    if (!found) return;
    if (found.error) {
      const line = make("p", {});
      showProblem(line, found.error);
      this.partOut.replaceChildren(line);
      return;
    }
    if (!found.parting) {
      this.partOut.replaceChildren(make("p", { text: "They say the same from the first token to the last." }));
      return;
    }
    this.partOut.replaceChildren(...this.partRows(found.parting, [one, other]));
    const places = [one, other].map((id) => this.state.shown.indexOf(id));
    places.forEach((place, k) => this.stage && this.stage.lanes[place] && this.stage.cursor.pin(this.stage.lanes[place], Math.min(found.parting.index, this.stage.lanes[place].spans.length - 1), k > 0));
    if (this.stage) this.stage.cursor.reveal(found.parting.index);
  }

  partRows(parting, ids) {
    const name = (id) => this.state.branches.find((branch) => branch.id === id).name;
    const span = ([low, high]) => {
      const [a, b] = [low, high].map((x) => (x === null ? "∞" : toBits(x).toFixed(2)));
      return a === b ? `${a} bits` : `${a} to ${b} bits`;
    };
    const said = [parting.first, parting.second].map((side, k) => {
      const took = side.token_id === null ? "ends there" : `takes “${quotePiece(side.piece)}” (q ${formatPercent(probabilityOf(side.own))})`;
      const likely = side.would_say.slice(0, 4).map(([, piece, logq]) => `${quotePiece(piece)} ${formatPercent(probabilityOf(logq))}`).join(", ");
      return make("p", {}, make("strong", { text: name(ids[k]) }), ` ${took}${likely ? `; likeliest there: ${likely}` : ""}`);
    });
    const how = parting.exact ? "computed with the model" : "bounds from the stored tokens: load the model for exact figures";
    return [
      make("p", { text: `They part at token ${parting.index}.` }),
      ...said,
      make("p", { class: "gx-soft", text: `KL(first ‖ second) ${span(parting.kl)} · KL(second ‖ first) ${span(parting.kl_back)} · JS ${span(parting.js)} · ${how}` }),
    ];
  }
}
