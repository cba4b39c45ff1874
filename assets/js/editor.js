// A lane's settings, edited in place: the chain of stages, their parameters, the spec as text.

let editorCount = 0;

// Texts that may be longer than this get a box of several lines.
const LONG_TEXT = 1000;

class Editor {
  /**
   * @param {Catalog} catalog
   * @param {{onChange: function(string), onClose: function(), onDuplicate: function(),
   *   onRemove: function()}} actions
   */
  constructor(catalog, actions) {
    this.catalog = catalog;
    this.actions = actions;
    this.id = `gx-editor-${(editorCount += 1)}`;
    this.stages = [];
    this.muted = [];
    this.build();
  }

  build() {
    this.list = make("ol", { class: "gx-stages" });
    this.problem = make("p", { class: "gx-problem", role: "alert", id: `${this.id}-problem` });
    this.spec = make("input", {
      class: "gx-spec",
      type: "text",
      spellcheck: "false",
      autocomplete: "off",
      "aria-describedby": `${this.id}-problem`,
      oninput: () => this.readSpec(),
    });
    const add = make("button", {
      class: "gx-button gx-quiet",
      type: "button",
      text: "+ Add stage",
      onclick: () => this.addStage(),
    });
    const button = (text, onclick) =>
      make("button", { class: "gx-button gx-quiet", type: "button", text, onclick });
    this.root = make(
      "div",
      { class: "gx-editor", role: "group", "aria-label": "Settings of this method" },
      make(
        "div",
        { class: "gx-editor-bar" },
        button("Duplicate", () => this.actions.onDuplicate()),
        button("Remove", () => this.actions.onRemove()),
        make("span", { class: "gx-grow" }),
        make("button", {
          class: "gx-button",
          type: "button",
          text: "Done",
          onclick: () => this.actions.onClose(),
        }),
      ),
      this.list,
      add,
      make("label", { class: "gx-field" }, make("span", { text: "Spec" }), this.spec),
      this.problem,
    );
  }

  open(spec, muted) {
    this.muted = muted || [];
    this.load(spec);
    this.spec.value = spec;
  }

  load(spec) {
    try {
      this.stages = this.catalog.parse(spec);
      this.fail("");
    } catch (error) {
      this.fail(error.message);
      return false;
    }
    this.drawStages();
    return true;
  }

  fail(message) {
    setText(this.problem, message);
    this.spec.setAttribute("aria-invalid", message ? "true" : "false");
  }

  readSpec() {
    if (this.load(this.spec.value)) this.actions.onChange(this.spec.value.trim());
  }

  /** A stage or a number changed: the spec follows. */
  changed() {
    const spec = this.catalog.format(this.stages);
    this.spec.value = spec;
    this.fail("");
    this.actions.onChange(spec);
  }

  restructured() {
    this.drawStages();
    this.changed();
  }

  drawStages() {
    this.list.replaceChildren(...this.stages.map((stage, index) => this.makeStage(stage, index)));
  }

  addStage() {
    const last = this.stages.length - 1;
    const endsInChooser = this.catalog.isChooser(this.stages[last].name);
    const used = new Set(this.stages.map((stage) => stage.name));
    const processors = this.catalog.entries.filter((entry) => entry.kind === "processor");
    const entry = processors.find((candidate) => !used.has(candidate.name));
    if (!entry) return;
    this.stages.splice(endsInChooser ? last : last + 1, 0, this.catalog.stage(entry.name));
    this.restructured();
  }

  /** A chooser takes the token: it stays last. */
  canMove(index, step) {
    const other = index + step;
    if (other < 0 || other >= this.stages.length) return false;
    return !this.catalog.isChooser(this.stages[Math.max(index, other)].name);
  }

  move(index, step) {
    const [stage] = this.stages.splice(index, 1);
    this.stages.splice(index + step, 0, stage);
    this.restructured();
  }

  removeStage(index) {
    this.stages.splice(index, 1);
    this.restructured();
  }

  mutedSentence(stage) {
    const words = [stage.name, stage.name.replace(/_/g, " ")];
    const entry = this.catalog.get(stage.name);
    if (entry) words.push(entry.title.toLowerCase());
    return this.muted.find((text) => words.some((word) => text.toLowerCase().startsWith(word)));
  }

  makeStage(stage, index) {
    const entry = this.catalog.get(stage.name);
    const muted = this.mutedSentence(stage);
    const small = (icon, label, disabled, onclick) => makeIconButton(icon, label, onclick, { disabled });
    const name = entry ? entry.title : stage.name;
    return make(
      "li",
      { class: muted ? "gx-stage-item gx-muted" : "gx-stage-item" },
      make(
        "div",
        { class: "gx-stage-bar" },
        this.makeMethodSelect(stage, index),
        small("up", `Move ${name} up`, !this.canMove(index, -1), () => this.move(index, -1)),
        small("down", `Move ${name} down`, !this.canMove(index, 1), () => this.move(index, 1)),
        small("close", `Remove ${name}`, this.stages.length === 1, () => this.removeStage(index)),
      ),
      entry ? this.makeSummary(entry) : null,
      muted ? make("p", { class: "gx-muted-note", text: muted }) : null,
      ...(entry ? entry.params : []).map((param) => this.makeParam(stage, param)),
    );
  }

  makeSummary(entry) {
    const summary = make("p", { class: "gx-summary", text: `${entry.summary} ` });
    const paper = entry.paper || entry.source;
    if (paper && entry.url) {
      const link = { href: entry.url, target: "_blank", rel: "noopener noreferrer", text: paper };
      summary.append(make("a", link));
    } else if (paper) {
      summary.append(make("cite", { text: paper }));
    }
    return summary;
  }

  makeMethodSelect(stage, index) {
    const isLast = index === this.stages.length - 1;
    const used = new Set(this.stages.map((other) => other.name));
    const select = make("select", { class: "gx-select gx-grow", "aria-label": `Method of stage ${index + 1}` });
    for (const [family, entries] of this.catalog.families) {
      const offered = entries.filter(
        (entry) => (isLast || entry.kind === "processor") && (entry.name === stage.name || !used.has(entry.name)),
      );
      if (offered.length === 0) continue;
      const group = make("optgroup", { label: family });
      for (const entry of offered) group.append(make("option", { value: entry.name, text: entry.title }));
      select.append(group);
    }
    select.value = stage.name;
    select.addEventListener("change", () => {
      this.stages[index] = this.catalog.stage(select.value);
      this.restructured();
    });
    return select;
  }

  makeParam(stage, param) {
    if (param.type === "bool") return this.makeSwitch(stage, param);
    if (param.type === "choice") return this.makeChoice(stage, param);
    if (param.type === "text") return this.makeText(stage, param);
    return this.makeNumber(stage, param);
  }

  makeSwitch(stage, param) {
    const box = make("input", { type: "checkbox" });
    box.checked = Boolean(stage.params[param.name]);
    box.addEventListener("change", () => {
      stage.params[param.name] = box.checked;
      this.changed();
    });
    return make("label", { class: "gx-param gx-switch", title: param.description }, box, param.name);
  }

  makeChoice(stage, param) {
    const select = make("select", { class: "gx-select" });
    for (const choice of param.choices) select.append(make("option", { value: choice, text: choice }));
    select.value = stage.params[param.name];
    select.addEventListener("change", () => {
      stage.params[param.name] = select.value;
      this.changed();
    });
    return make(
      "label",
      { class: "gx-param", title: param.description },
      make("span", { class: "gx-param-name", text: param.name }),
      select,
    );
  }

  /** A text: long ones, as grammars and prompts are, get a box of several lines. */
  makeText(stage, param) {
    const isLong = !isNumber(param.max_length) || param.max_length > LONG_TEXT;
    const box = make(isLong ? "textarea" : "input", {
      class: "gx-spec gx-words",
      type: isLong ? null : "text",
      rows: isLong ? 4 : null,
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${param.name}: ${param.description || ""}`,
    });
    // An input holds one line: what breaks lines or is a tab is shown and typed as in a spec.
    const shown = (text) => (isLong ? text : quoteText(text).slice(1, -1).replace(/\\"/g, '"'));
    const meant = () => (isLong ? box.value : unquoteText(`"${box.value}"`));
    const reset = makeIconButton("reset", `Reset ${param.name}`, () => {
      box.value = shown(param.default);
      set();
    });
    const set = () => {
      const text = meant();
      const problem = tooLong(param, text);
      if (problem) {
        this.fail(`${stage.name}: ${param.name} ${problem}.`);
        return;
      }
      stage.params[param.name] = text;
      reset.disabled = text === param.default;
      this.changed();
    };
    box.value = shown(stage.params[param.name]);
    reset.disabled = stage.params[param.name] === param.default;
    box.addEventListener("input", set);
    return make(
      "div",
      { class: "gx-param gx-text-param" },
      make("span", { class: "gx-param-name", text: param.name, title: param.description }),
      reset,
      box,
      make("span", { class: "gx-param-help", text: param.description || "" }),
    );
  }

  makeNumber(stage, param) {
    const scale = sliderScale(param);
    const label = `${param.name}: ${param.description || ""} (${allowedWords(param)})`;
    const slider = make("input", {
      type: "range",
      min: scale.low,
      max: scale.high,
      step: scale.step,
      "aria-label": label,
    });
    const box = make("input", { type: "number", class: "gx-number", step: "any", "aria-label": label });
    const reset = makeIconButton("reset", `Reset ${param.name} to ${param.default}`, () => set(param.default, false));
    const show = (value, keepBox) => {
      slider.value = scale.toPosition(value);
      slider.setAttribute("aria-valuetext", String(value));
      if (!keepBox) box.value = value;
      reset.disabled = value === param.default;
    };
    const set = (value, keepBox) => {
      const problem = Number.isFinite(value) ? outOfBounds(param, value) : "is not a number";
      if (problem) {
        this.fail(`${stage.name}: ${param.name} ${problem}.`);
        return;
      }
      stage.params[param.name] = param.type === "int" ? Math.round(value) : value;
      show(stage.params[param.name], keepBox);
      this.changed();
    };
    slider.addEventListener("input", () => set(scale.toValue(Number(slider.value)), false));
    box.addEventListener("input", () => set(box.valueAsNumber, true));
    show(stage.params[param.name], false);
    return make(
      "div",
      { class: "gx-param" },
      make("span", { class: "gx-param-name", text: param.name, title: param.description }),
      box,
      reset,
      slider,
      make("span", { class: "gx-param-help", text: this.paramHelp(param) }),
    );
  }

  paramHelp(param) {
    const help = param.description || "";
    const { neutral } = param;
    // Most descriptions say it themselves.
    if (neutral === undefined || neutral === null || help.includes(`${neutral} `)) return help;
    return `${help} ${neutral} changes nothing.`.trim();
  }
}
