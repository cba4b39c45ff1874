// The Loops page: a run that loops, taken apart, and what would have left it.

const LOOP_POLL_MS = 250;
// Prompts that loop under greedy decoding with the models that come with the app.
const LOOP_EXAMPLES = [
  ["a dialogue that loops", "\"Where have you been?\" she asked.\n\"", 128],
  ["a list that loops", "Shopping list:\n- milk\n- bread\n-", 128],
  ["a lesson that loops", "Teacher: Why does ice float on water?\nPupil:", 160],
];
// Parts of the page below the run: each is made with the page, and told of every state.
const LOOP_SECTIONS = [
  AnatomySection,
  AttentionSection,
  GraphSection,
  BoardSection,
  ExperimentSection,
];

class LoopsPage {
  /** @param {Element} root @param {{catalog: Array<object>}} config */
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.bridge = bridgeOf("loops");
    this.state = { lanes: [], lane: 0, ndjson: "" };
    this.job = null;
    this.build();
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.start()).observe(root);
  }

  build() {
    this.root.classList.add("gx", "gx-loops");
    this.prompt = make("textarea", { class: "gx-input gx-area", rows: 3, "aria-label": "Prompt", placeholder: "A prompt that may end in a loop" });
    this.specs = make("textarea", { class: "gx-input gx-area", rows: 2, spellcheck: "false", "aria-label": "Decoding methods, one a line" });
    this.specs.value = "greedy";
    this.tokens = numberBox("new tokens", 128, 1, 2048);
    this.stopOnLoop = make("input", { type: "checkbox", "aria-label": "End a lane once it loops" });
    this.bounds = {
      max_period: numberBox("longest unit, tokens", 128, 1, 10000),
      min_copies: numberBox("fewest copies", 3, 2, 10000, { step: "any" }),
      min_tokens: numberBox("fewest tokens in all", 48, 2, 100000),
    };
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Run", onclick: () => this.run() });
    for (const area of [this.prompt, this.specs]) {
      area.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
      });
    }
    const tries = LOOP_EXAMPLES.map(([name, text, tokens]) => make("button", { class: "gx-button gx-quiet", type: "button", text: name, onclick: () => {
      this.prompt.value = text;
      fieldOf(this.tokens).value = tokens;
      this.run();
    } }));
    const takes = [["compare", "Take the latest run of Compare"], ["traces", "Take the lanes shown on Traces"]].map(([where, text]) => make("button", { class: "gx-button", type: "button", text, onclick: () => this.take(where) }));
    this.say = make("p", { class: "gx-soft", role: "status", text: "Run a prompt that loops, or take a run that was made." });
    this.meter = make("progress", { class: "gx-meter", max: "1", hidden: true, "aria-label": "How far it is" });
    this.stopButton = make("button", { class: "gx-button", type: "button", text: "Stop", hidden: true, onclick: () => this.stop() });
    this.laneSlot = make("div", { class: "gx-row" });
    this.stageSlot = make("div", {});
    this.sections = LOOP_SECTIONS.map((Section) => new Section(this));
    this.root.replaceChildren(
      make("p", { class: "gx-soft gx-about", text: "A loop is a stretch of tokens that comes again and again. What a model has repeated it finds likelier, so that every copy makes the next one surer. Here a loop is taken apart, and handed to other methods to see who leaves it." }),
      make("div", { class: "gx-loops-ask" }, make("label", { class: "gx-labelled" }, make("span", { text: "prompt" }), this.prompt), make("label", { class: "gx-labelled" }, make("span", { text: "decoding methods, one a line" }), this.specs)),
      make("div", { class: "gx-fields" }, this.tokens, make("label", { class: "gx-check" }, this.stopOnLoop, " end a lane once it loops"), this.go, ...takes),
      make("details", { class: "gx-loops-bounds" }, make("summary", { text: "What counts as a loop" }), make("div", { class: "gx-fields" }, ...Object.values(this.bounds)), make("p", { class: "gx-soft", text: "A unit of at most so many tokens that stands there at least so often, the first copy included, and fills at least so many tokens." })),
      make("div", { class: "gx-row" }, make("span", { class: "gx-soft", text: "Try:" }), ...tries),
      make("div", { class: "gx-row" }, this.meter, this.say, this.stopButton),
      this.laneSlot,
      this.stageSlot,
      ...this.sections.map((section) => section.element),
    );
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

  async refresh() {
    this.started = true;
    const found = await this.ask({ ask: "state" });
    if (found) this.show(found);
  }

  /** Takes a run from another page. */
  async take(where) {
    this.started = true;
    const found = await this.ask({ ask: "take", where });
    if (found) this.show(found);
  }

  async choose(lane) {
    const found = await this.ask({ ask: "choose", lane: Number(lane) });
    if (found) this.show(found);
  }

  /** Runs the prompt; `specs` in place of those typed. */
  async run(specs = this.specs.value.split("\n")) {
    if (this.job) return;
    const question = {
      ask: "run",
      prompt: this.prompt.value,
      decoders: specs.map((spec) => spec.trim()).filter(Boolean),
      tokens: wholeOf(this.tokens),
      model: currentModel(),
      stop_on_loop: this.stopOnLoop.checked,
      loop: this.thresholds(),
    };
    const found = await this.ask(question);
    if (!found) return;
    let lines = "";
    this.drawStage("");
    const ended = await this.follow(found, (news) => {
      if (typeof news.lines !== "string") return;
      lines = lines.slice(0, news.from) + news.lines;
      this.stage.update(lines);
      this.tellLive();
    }, () => ({ from: lines.length }));
    if (ended) await this.refresh();
  }

  /** What counts as a loop, of the fields that are filled. */
  thresholds() {
    const filled = Object.entries(this.bounds).map(([name, box]) => [name, fieldOf(box).value.trim()]).filter(([, value]) => value !== "");
    return Object.fromEntries(filled.map(([name, value]) => [name, Number(value)]));
  }

  /** Sections that draw while a run is made get its lanes as they are. */
  tellLive() {
    for (const section of this.sections) if (section.live) section.live(this.stage.run);
  }

  /**
   * Asks how far some work is until it has ended.
   * @param {object} job as the server told it
   * @param {function(object)} onNews what it has made since
   * @param {function(): object} more further fields of the question
   * @returns {Promise<object|null>} its last answer, or null where it failed
   */
  async follow(job, onNews = () => {}, more = () => ({})) {
    this.job = job.job;
    this.stopping = false;
    this.stopButton.hidden = false;
    this.go.disabled = true;
    let found = job;
    while (found && !found.done) {
      this.meter.hidden = found.fraction === null || found.fraction === undefined;
      if (!this.meter.hidden) this.meter.value = found.fraction;
      showWords(this.say, `${found.what}: ${found.said || "beginning"}`);
      await new Promise((resolve) => setTimeout(resolve, LOOP_POLL_MS));
      const stop = this.stopping;
      this.stopping = false;
      found = await this.ask({ ask: "job", job: this.job, stop, ...more() }, true);
      if (found) onNews(found);
    }
    this.job = null;
    this.meter.hidden = true;
    this.stopButton.hidden = true;
    this.go.disabled = false;
    if (found) showWords(this.say, found.said);
    return found;
  }

  stop() {
    this.stopping = true;
  }

  show(state) {
    const redraw = state.ndjson !== this.state.ndjson;
    this.state = state;
    if (redraw) this.drawStage(state.ndjson);
    if (state.prompt && !this.prompt.value) this.prompt.value = state.prompt;
    this.drawLanes();
    for (const section of this.sections) section.show(state);
    // Work that this page lost sight of: it was left, or opened once more.
    if (state.work && !this.job) this.follow(state.work).then((found) => found && this.refresh());
  }

  drawStage(ndjson) {
    const root = make("div", {});
    this.stageSlot.replaceChildren(root);
    this.stage = new Stage(root, { catalog: this.config.catalog, readOnly: true, chart: false, value: ndjson });
    this.stage.update(ndjson);
    this.stage.flush();
  }

  drawLanes() {
    const { lanes, lane, name } = this.state;
    if (!lanes.length) {
      this.laneSlot.replaceChildren();
      return;
    }
    const words = ({ decoder, loops }) => `${decoder} · ${loops.length ? plural(loops.length, "loop") : "no loop"}`;
    const choice = choiceBox("taken apart below", lanes.map((one, k) => [String(k), words(one)]), String(lane), (value) => this.choose(value));
    const { loops, tokens, stop_reason: reason } = lanes[lane];
    const last = loops[loops.length - 1];
    const said = last
      ? `The loop begins at token ${last[0]}; its unit has ${plural(last[1], "token")}, and ${last[2].toFixed(1)} copies stand there.`
      : "No loop of whole copies here: run it for more tokens, or take another method.";
    this.laneSlot.replaceChildren(choice, make("p", { class: "gx-soft", text: `${name} · ${plural(tokens, "token")} · ${stopWord(reason)}. ${said}` }));
  }

  /** Shows a token of the lane that is taken apart. */
  pinToken(index) {
    const lane = this.stage && this.stage.lanes[this.state.lane];
    if (!lane || index >= lane.spans.length) return;
    this.stage.cursor.pin(lane, index);
    this.stage.cursor.reveal(index);
  }
}
