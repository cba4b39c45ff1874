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
    this.picker = null;
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
    const button = (text, onclick, properties = {}) =>
      make("button", { class: "gx-button gx-quiet", type: "button", text, onclick, ...properties });
    this.orders = make("p", { class: "gx-orders" }, make("span", { text: "Order as in" }));
    for (const order of ORDERS) {
      const title = `The stages in the order in which ${order.title} runs them: ${order.stages.join(" → ")}. Others go ${order.others}.`;
      this.orders.append(button(order.title, () => this.applyOrder(order), { title }));
    }
    this.settings = make(
      "div",
      { class: "gx-settings" },
      this.list,
      button("+ Add stage", () => this.pickNew()),
      this.orders,
      make("label", { class: "gx-field" }, make("span", { text: "Spec" }), this.spec),
      this.problem,
    );
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
      this.settings,
    );
  }

  open(spec) {
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
    this.drawReasons();
    this.fail("");
    this.actions.onChange(spec);
  }

  restructured() {
    this.drawStages();
    this.changed();
  }

  drawStages() {
    this.list.replaceChildren(...this.stages.map((stage, index) => this.makeStage(stage, index)));
    const processors = this.stages.filter((stage) => !this.catalog.isChooser(stage.name));
    this.orders.hidden = processors.length < 2;
    this.drawReasons();
  }

  /** Greys what does nothing in this chain, and says why. */
  drawReasons() {
    const muted = mutedReasons(this.catalog, this.stages);
    this.stages.forEach((stage, index) => {
      const item = this.list.children[index];
      const entry = this.catalog.get(stage.name);
      if (!item || !entry) return;
      item.classList.toggle("gx-muted", muted[index] !== "");
      setText(item.querySelector(".gx-muted-note"), muted[index]);
      const isNeutralHere = muted[index] !== "" && isNeutral(entry, stage.params);
      const idle = idleReasons(entry, stage.params);
      for (const row of item.querySelectorAll("[data-param]")) {
        const reason = idle.get(row.dataset.param);
        // What switched the stage off is what switches it on again: it is not greyed.
        const isSwitch = isNeutralHere && row.dataset.param in entry.neutral;
        row.classList.toggle("gx-idle", Boolean(reason) || (muted[index] !== "" && !isSwitch));
        const words = reason ? `${row.dataset.param} does nothing: ${reason}` : "";
        setText(row.querySelector(".gx-idle-note"), words);
      }
    });
  }

  /** Methods that may stand at a place of the chain; `index` is past the end for a new one. */
  offered(index) {
    const last = this.stages.length - 1;
    const endsInChooser = this.catalog.isChooser(this.stages[last].name);
    const others = this.stages.filter((_, place) => place !== index);
    const used = new Set(others.map((stage) => stage.name));
    const hasSecond = others.some((stage) => this.catalog.get(stage.name).reads_second_context);
    const mayChoose = index === last || (index > last && !endsInChooser);
    return this.catalog.entries.filter(
      (entry) =>
        !used.has(entry.name) &&
        (mayChoose || entry.kind === "processor") &&
        !(hasSecond && entry.reads_second_context),
    );
  }

  pickNew() {
    this.openPicker(this.stages.length, "", (name) => {
      const last = this.stages.length - 1;
      const endsInChooser = this.catalog.isChooser(this.stages[last].name);
      const place = endsInChooser ? last : last + 1;
      this.stages.splice(place, 0, this.catalog.stage(name));
      return place;
    });
  }

  pickFor(index) {
    this.openPicker(index, this.stages[index].name, (name) => {
      if (name !== this.stages[index].name) this.stages[index] = this.catalog.stage(name);
      return index;
    });
  }

  openPicker(index, chosen, place) {
    this.picker = new Picker(this.offered(index), chosen, {
      onPick: (name) => {
        const at = place(name);
        this.closePicker();
        this.restructured();
        this.list.children[at].querySelector(".gx-method-button").focus();
      },
      onClose: () => {
        this.closePicker();
        const button = this.list.children[index]?.querySelector(".gx-method-button");
        (button || this.settings.querySelector(":scope > button")).focus();
      },
    });
    this.settings.hidden = true;
    this.root.append(this.picker.root);
    this.root.scrollTop = 0;
    this.picker.focus();
  }

  closePicker() {
    this.picker.root.remove();
    this.picker = null;
    this.settings.hidden = false;
  }

  /** Escape: true where there was a list of methods to leave. */
  escape() {
    if (!this.picker) return false;
    this.picker.actions.onClose();
    return true;
  }

  applyOrder(order) {
    this.stages = reorder(this.catalog, this.stages, order);
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

  makeStage(stage, index) {
    const entry = this.catalog.get(stage.name);
    const small = (icon, label, disabled, onclick) => makeIconButton(icon, label, onclick, { disabled });
    const name = entry ? entry.title : stage.name;
    return make(
      "li",
      { class: "gx-stage-item" },
      make(
        "div",
        { class: "gx-stage-bar" },
        this.makeMethodButton(stage, index),
        small("up", `Move ${name} up`, !this.canMove(index, -1), () => this.move(index, -1)),
        small("down", `Move ${name} down`, !this.canMove(index, 1), () => this.move(index, 1)),
        small("close", `Remove ${name}`, this.stages.length === 1, () => this.removeStage(index)),
      ),
      entry ? makeSummary(entry) : null,
      make("p", { class: "gx-muted-note" }),
      ...(entry ? entry.params : []).map((param) => this.makeParam(stage, param)),
    );
  }

  makeMethodButton(stage, index) {
    const entry = this.catalog.get(stage.name);
    return make("button", {
      class: "gx-select gx-grow gx-method-button",
      type: "button",
      "aria-label": `Method of stage ${index + 1}: ${entry ? entry.title : stage.name}. Choose another`,
      text: entry ? entry.title : stage.name,
      onclick: () => this.pickFor(index),
    });
  }

  makeParam(stage, param) {
    const row = this.makeField(stage, param);
    row.dataset.param = param.name;
    row.append(make("span", { class: "gx-idle-note" }));
    return row;
  }

  makeField(stage, param) {
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
