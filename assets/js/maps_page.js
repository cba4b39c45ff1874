// The Maps page: a small sweep over two parameters, its heat maps as they fill, traces on a click.

class MapsPage {
  /** @param {Element} root */
  constructor(root) {
    this.root = root;
    this.bridge = bridgeOf("maps");
    this.job = null;
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.start()).observe(root);
  }

  async start() {
    if (this.started) return;
    this.started = true;
    const found = await this.bridge.ask({ ask: "form" });
    if (!found || found.error) {
      this.started = false;
      if (found) this.root.replaceChildren(problemOf(found.error));
      return;
    }
    this.build(found);
    if (found.work) this.follow(found.work);
  }

  build({ axes, bounds }) {
    this.root.classList.add("gx", "gx-labs");
    const choices = axes.map(({ key, title }) => [key, title]);
    const axis = (title, key) => choiceBox(title, choices, key, () => {});
    this.x = axis("across", "temperature");
    this.y = axis("down", "nucleus.p");
    this.xValues = textBox("values across", "0.5, 1, 1.5");
    this.yValues = textBox("values down", "0.5, 0.8, 0.95");
    this.prompts = numberBox("bundled prompts", 4, 1, bounds.prompts);
    this.seeds = numberBox("seeds", 1, 1, bounds.seeds);
    this.tokens = numberBox("tokens", Math.min(64, bounds.tokens), 1, bounds.tokens);
    const area = make("textarea", { class: "gx-input gx-area", rows: 2, placeholder: `at most ${bounds.prompts}, one a line; empty for the bundled ones, which ask for loops` });
    this.texts = make("label", { class: "gx-labelled gx-wide" }, make("span", { text: "own prompts" }), area);
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Run", onclick: () => this.run() });
    this.stopButton = make("button", { class: "gx-button", type: "button", text: "Stop", hidden: true, onclick: () => (this.stopping = true) });
    this.say = make("p", { class: "gx-soft", role: "status", text: `At most ${formatCount(bounds.all_tokens)} tokens in all. Larger ones: python -m explorer sweep.` });
    this.meter = make("progress", { class: "gx-meter", max: "1", hidden: true, "aria-label": "How far it is" });
    this.out = make("div", { class: "gx-results" });
    this.root.replaceChildren(
      make("p", { class: "gx-soft gx-about", text: "Behaviour maps: the model of the header continues every prompt at every pair of two parameters, drawn from what they leave. Each place is a mean over prompts with its 95 % interval; click one to read its texts." }),
      make("div", { class: "gx-fields gx-lab-form" }, this.x, this.xValues, this.y, this.yValues, this.prompts, this.seeds, this.tokens, this.texts, this.go, this.stopButton),
      make("div", { class: "gx-row" }, this.meter, this.say),
      this.out,
    );
  }

  async run() {
    if (this.job) return;
    const text = (label) => label.querySelector("input, select, textarea").value;
    const found = await this.bridge.ask({
      ask: "run",
      model: currentModel(),
      x: text(this.x),
      y: text(this.y),
      x_values: text(this.xValues),
      y_values: text(this.yValues),
      prompts: wholeOf(this.prompts),
      seeds: wholeOf(this.seeds),
      tokens: wholeOf(this.tokens),
      texts: text(this.texts),
    });
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    this.out.replaceChildren();
    await this.follow(found);
  }

  follow(job) {
    const draw = async (found) => {
      if (found.map) await this.draw(found.map);
      return Boolean(found.map);
    };
    return followJob(this, job, draw, (found) => `Done: ${plural(found.shown, "run")}.`);
  }

  draw({ maps, mauve, errors }) {
    const onCell = (column, row) => this.open(column, row);
    const failed = errors.map(({ reason, runs }) => make("p", { class: "gx-soft", text: `${plural(runs, "run")} failed: ${reason}` }));
    const refusal = make("figure", { class: "gx-figure gx-result", "data-kind": "refusal" }, make("figcaption", { text: "MAUVE" }), make("p", { class: "gx-soft", text: mauve }));
    this.out.replaceChildren(...maps.map((map) => drawResult(map, { onCell })), ...(maps.length ? [refusal] : []), ...failed);
  }

  async open(column, row) {
    const found = await this.bridge.ask({ ask: "choose", column, row });
    if (!found) return;
    if (found.error) showProblem(this.say, found.error);
    else window.Explorer.takeRunFrom("maps");
  }
}
