// The Labs page: a gallery of papers, and one of them at a time as an experiment.

class LabsPage {
  /** @param {Element} root @param {{catalog: Array<object>}} config */
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.bridge = bridgeOf("labs");
    this.labs = [];
    this.lab = null;
    this.job = null;
    this.build();
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.start()).observe(root);
  }

  build() {
    this.root.classList.add("gx", "gx-labs");
    this.find = textBox("find", "", { type: "search", placeholder: "a word of a title, question or paper", oninput: () => this.drawCards() });
    this.cards = make("div", { class: "gx-lab-families" });
    this.gallery = make("div", { class: "gx-lab-gallery" }, make("p", { class: "gx-soft gx-about", text: "Every lab is one paper as an experiment: its method, a few parameters, and its headline effect measured here, with the paper's own figure beside it. What does not show is said." }), this.find, this.cards);
    this.bench = make("div", { class: "gx-lab-bench", hidden: true });
    this.root.replaceChildren(this.gallery, this.bench);
  }

  async start() {
    if (this.started) return;
    this.started = true;
    const found = await this.bridge.ask({ ask: "gallery", model: currentModel() });
    if (!found || found.error) {
      this.started = false;
      if (found) this.cards.replaceChildren(problemOf(found.error));
      return;
    }
    this.labs = found.labs;
    this.drawCards();
    const running = found.work && found.labs.find((lab) => lab.name === found.running);
    if (running) {
      this.open(running);
      this.follow(found.work);
    }
  }

  // The gallery.

  drawCards() {
    const words = fieldOf(this.find).value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (lab) => [lab.title, lab.question, lab.name, ...lab.papers.map((paper) => paper.citation)].join(" ").toLowerCase();
    const shown = this.labs.filter((lab) => words.every((word) => text(lab).includes(word)));
    const headings = [...new Set(shown.map((lab) => lab.heading))];
    const families = headings.map((heading) => make("section", {}, make("h3", { text: heading }), make("div", { class: "gx-lab-cards" }, ...shown.filter((lab) => lab.heading === heading).map((lab) => this.card(lab)))));
    this.cards.replaceChildren(...(families.length ? families : [make("p", { class: "gx-soft", text: "No lab has these words." })]));
  }

  card(lab) {
    return make(
      "button",
      { class: "gx-lab-card", type: "button", "data-lab": lab.name, onclick: () => this.open(lab) },
      make("strong", { text: lab.title }),
      make("span", { text: lab.question }),
      make("span", { class: "gx-soft", text: `${lab.papers[0].citation}` }),
      make("span", { class: "gx-soft", text: `${lab.fidelity} · ${lengthWord(lab)}` }),
    );
  }

  // One lab.

  open(lab) {
    this.lab = lab;
    this.fields = new Map(lab.params.map((field) => [field.name, this.field(field)]));
    this.seed = numberBox("seed", 0, 0, 2 ** 53);
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Run", onclick: () => this.run() });
    this.stopButton = make("button", { class: "gx-button", type: "button", text: "Stop", hidden: true, onclick: () => (this.stopping = true) });
    this.say = make("p", { class: "gx-soft", role: "status", text: `${lengthWord(lab)[0].toUpperCase()}${lengthWord(lab).slice(1)} with the usual parameters.` });
    this.meter = make("progress", { class: "gx-meter", max: "1", hidden: true, "aria-label": "How far it is" });
    this.out = make("div", { class: "gx-results" });
    const save = (kind, text, title) => make("button", { class: "gx-button", type: "button", text, title, onclick: () => press(`gx-labs-save-${kind}`) });
    this.saves = make("div", { class: "gx-row", hidden: true }, save("json", "Save results", "All numbers, as JSON"), save("html", "Save page", "Claims and pictures, as a page that opens anywhere"), save("jsonl", "Save traces", "The continuations it shows, as JSON lines"));
    const papers = lab.papers.map(({ citation, url }) => make("li", {}, url ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer", text: citation }) : citation));
    this.code = make("details", { class: "gx-loops-bounds", ontoggle: () => this.showCode() }, make("summary", { text: "The code of the method" }), make("div", {}));
    this.bench.replaceChildren(
      make("div", { class: "gx-row" }, make("button", { class: "gx-button", type: "button", text: "← All labs", onclick: () => this.leave() })),
      make("h2", { text: lab.title }),
      make("p", { text: lab.question }),
      make("ul", { class: "gx-soft gx-lab-papers" }, ...papers),
      make("p", { class: "gx-soft", text: `${lab.fidelity[0].toUpperCase()}${lab.fidelity.slice(1)}. ${lab.scaled_down}` }),
      make("div", { class: "gx-fields gx-lab-form" }, ...this.fields.values(), this.seed, this.go, this.stopButton),
      make("div", { class: "gx-row" }, this.meter, this.say),
      this.saves,
      this.out,
      this.code,
    );
    this.gallery.hidden = true;
    this.bench.hidden = false;
    this.go.focus();
  }

  leave() {
    this.bench.hidden = true;
    this.gallery.hidden = false;
    this.cards.querySelector(`[data-lab="${this.lab.name}"]`)?.focus();
  }

  field({ name, type, default: value, minimum, maximum, choices, description, max_length: longest }) {
    const label = name.replaceAll("_", " ");
    if (type === "choice") return choiceBox(label, choices.map((one) => [one, one]), value, () => {}, { title: description });
    if (type === "bool") {
      const box = make("input", { type: "checkbox", title: description });
      box.checked = value;
      return make("label", { class: "gx-check", title: description }, box, ` ${label}`);
    }
    if (type === "text") {
      if (longest <= 300) return textBox(label, value, { title: description, maxlength: longest, placeholder: description });
      const area = make("textarea", { class: "gx-input gx-area", rows: 2, title: description, maxlength: longest, placeholder: description });
      area.value = value;
      return make("label", { class: "gx-labelled gx-wide" }, make("span", { text: label }), area);
    }
    return numberBox(label, value, minimum ?? "", maximum ?? "", { title: description, step: type === "int" ? 1 : "any" });
  }

  values() {
    const found = {};
    for (const field of this.lab.params) {
      const input = this.fields.get(field.name).querySelector("input, select, textarea");
      if (field.type === "bool") found[field.name] = input.checked;
      else if (field.type === "text" || field.type === "choice") found[field.name] = input.value;
      // An empty field is the usual value; what is no number is refused by the server, in words.
      else if (input.value !== "") found[field.name] = Number(input.value);
    }
    return found;
  }

  async run() {
    if (this.job) return;
    const found = await this.bridge.ask({ ask: "run", lab: this.lab.name, params: this.values(), seed: wholeOf(this.seed), model: currentModel() });
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    this.out.replaceChildren();
    this.saves.hidden = true;
    await this.follow(found);
  }

  follow(job) {
    const draw = async (found) => {
      if (found.run) await this.draw(found.run, found.done);
      return Boolean(found.run);
    };
    return followJob(this, job, draw, () => "Done.");
  }

  /** @param {object} run its results @param {boolean} over it has ended: continuations are shown */
  async draw(run, over) {
    const some = run.results.length + run.claims.length > 0;
    this.saves.hidden = !some;
    this.stages = [];
    const stages = new Map();
    for (const { name } of over ? run.results.filter((result) => result.kind === "traces") : []) {
      const found = await this.bridge.ask({ ask: "traces", name }, true);
      if (found && !found.error) stages.set(name, found.ndjson);
    }
    const drawStage = (result) => (stages.has(result.name) ? this.stageOf(stages.get(result.name), result.name) : null);
    this.out.replaceChildren(...run.tuned.map((model) => this.tuned(model)), ...resultParts(run, { drawStage }));
    for (const stage of this.stages) stage.flush();
  }

  stageOf(ndjson, name) {
    const root = make("div", {});
    const stage = new Stage(root, { catalog: this.config.catalog, readOnly: true, chart: false, value: ndjson });
    stage.update(ndjson);
    this.stages.push(stage);
    const open = make("button", { class: "gx-button", type: "button", text: "Open on Traces", onclick: () => window.Explorer.takeRunFrom("labs") });
    const again = make("button", { class: "gx-button", type: "button", text: "Run in Compare", title: "Fills the form of Compare with this prompt, these methods and this seed", onclick: () => this.compare({ name }) });
    return make("div", {}, make("div", { class: "gx-row" }, again, open), root);
  }

  /** A model that the run tuned: it can be run beside the one it was made of. */
  tuned({ id, about }) {
    const beside = make("button", { class: "gx-button", type: "button", text: "Compare before and after", title: "Fills the form of Compare with lanes of both models", onclick: () => this.compare({ tuned: id }) });
    return make("div", { class: "gx-row" }, make("span", { text: `${id}: a copy of the model that was ${about}. It is kept until you close this page.` }), beside);
  }

  async compare(what) {
    const found = await this.bridge.ask({ ask: "compare", ...what });
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    window.Explorer.goTo("compare");
    window.Explorer.share.fill(found, "The form is filled in from a lab: press Run to see it.");
  }

  async showCode() {
    if (!this.code.open || this.code.dataset.filled) return;
    const found = await this.bridge.ask({ ask: "code", lab: this.lab.name });
    if (!found || found.error) return;
    this.code.dataset.filled = "yes";
    this.code.lastChild.replaceChildren(...found.modules.map(({ module, code }) => make("div", { class: "gx-program" }, make("strong", { text: module }), make("pre", { tabindex: "0", "aria-label": `Code of ${module}`, text: code }))));
  }
}

const lengthWord = ({ seconds, measured }) => {
  const time = seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} minutes`;
  return measured ? `about ${time} here` : `about ${time} on two cores`;
};

const problemOf = (error) => {
  const line = make("p", {});
  showProblem(line, error);
  return line;
};
