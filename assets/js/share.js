// Links that hold a set-up, and code to take it away.

const LINK_MARK = "#s=";

/** What a link keeps of how the page looks; a token is pinned as "lane:index". */
function viewOf(stage) {
  const view = { colour: stage.root.dataset.colour, tall: stage.toolbar.tall.getAttribute("aria-pressed") === "true" };
  stage.cursor.pins.forEach((pin, k) => (view[`pin${k}`] = `${stage.lanes.indexOf(pin.lane)}:${pin.index}`));
  return view;
}

/** Makes the page look so; tokens are pinned once the run that a link describes is there. */
function restoreView(stage, view) {
  if (COLOUR_MODES.some((mode) => mode.key === view.colour)) stage.setColour(view.colour);
  if (typeof view.tall === "boolean") stage.toolbar.setTall(view.tall);
  const places = [view.pin0, view.pin1].map((text) => /^(\d{1,2}):(\d{1,6})$/.exec(String(text))).filter(Boolean);
  stage.onceDone = () => {
    places.forEach(([, lane, index], k) => stage.lanes[lane] && stage.cursor.pin(stage.lanes[lane], Number(index), k > 0));
    if (places.length > 0 && stage.cursor.last) stage.cursor.reveal(stage.cursor.last.index);
  };
}

class Share {
  constructor() {
    this.bridge = bridgeOf("share");
    this.state = null;
    this.settings = { stops: "" };
    this.root = make("div", { class: "gx gx-share", role: "dialog", "aria-label": "Share this set-up", hidden: true });
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  /** What is on the form now; a drawn seed is that of the run on the page. */
  read() {
    const field = (id) => document.querySelector(`#${id} :is(textarea, input)`);
    const checked = (id) => Boolean(document.querySelector(`#${id} input`)?.checked);
    const template = document.querySelector("#gx-template input:checked");
    const { stage } = window.Explorer;
    const typed = field("gx-seed")?.value.trim() || "";
    const ran = stage && stage.run.done ? String(stage.run.done.seed) : "";
    const { top, stops, ...bounds } = this.settings;
    // An empty field means its usual value, which a link leaves out.
    const loop = Object.fromEntries(Object.entries(bounds).filter(([, value]) => isNumber(value)));
    return {
      prompt: field("gx-prompt").value,
      lanes: window.Explorer.specs(),
      seed: typed === "-1" ? ran : typed,
      model: currentModel(),
      max_new_tokens: Number(field("gx-tokens").value),
      top: top || 10,
      coupled: checked("gx-coupled"),
      chat: Boolean(template && template.value === "chat"),
      stop_on_loop: checked("gx-stop-on-loop"),
      ...loop,
      stop_strings: stops.split("\n").filter(Boolean),
      view: stage ? viewOf(stage) : {},
    };
  }

  async ask(question) {
    const found = await this.bridge.ask(question);
    if (!found || !found.error) return found;
    const line = make("p", {});
    showProblem(line, found.error);
    this.show(line);
    return null;
  }

  /** Makes a link or code, with the settings that may be folded away: their values, as the form has them. */
  with([top, period, copies, tokens, stops], name) {
    this.settings = { top, loop_max_period: period, loop_min_copies: copies, loop_min_tokens: tokens, stops: stops || "" };
    this[name]();
  }

  async link() {
    const state = this.read();
    if (state.seed === "") {
      const line = make("p", {});
      showProblem(line, { message: "This set-up draws another seed each time.", hint: "Run it once, or give a seed, so that the link shows what you see." });
      this.show(line);
      return;
    }
    const found = await this.ask({ ask: "link", state });
    if (!found) return;
    const { origin, pathname } = window.location;
    const address = `${origin}${pathname}${LINK_MARK}${found.link}`;
    const box = make("input", { class: "gx-input gx-link", type: "text", readonly: true, value: address, "aria-label": "Link to this set-up", onfocus: () => box.select() });
    this.show(make("h4", { text: "A link to this set-up" }), make("p", { class: "gx-soft", text: "It holds prompt, lanes, seed, model, options and the view: colours, tall lanes, pinned tokens. Whoever opens it sees the form filled in, and presses Run." }), make("div", { class: "gx-fields" }, box, this.copier(() => address)));
    box.focus();
  }

  async code(lane = 0) {
    const state = this.read();
    if (state.seed === "") state.seed = "0";
    const found = await this.ask({ ask: "code", state, lane });
    if (!found) return;
    const choose = choiceBox("lane", state.lanes.map((spec, k) => [k, spec]), lane, (value) => this.code(Number(value)));
    const theirs = found.transformers ? this.program(found.transformers, "transformers") : make("p", { class: "gx-soft", text: `Not with transformers: ${found.reason}` });
    this.show(make("h4", { text: "This run in Python" }), this.program(found.explorer, "this package"), make("h4", { text: "One lane with transformers" }), choose, theirs);
  }

  program(code, name) {
    return make("div", { class: "gx-program" }, make("pre", { tabindex: "0", "aria-label": `Code for ${name}`, text: code }), this.copier(() => code));
  }

  copier(text) {
    const button = make("button", { class: "gx-button", type: "button", text: "Copy" });
    button.addEventListener("click", async () => {
      await copyText(text());
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1200);
    });
    return button;
  }

  show(...parts) {
    if (!this.root.isConnected) document.getElementById("gx-exports").after(this.root);
    this.root.replaceChildren(makeIconButton("close", "Close (Esc)", () => this.close()), ...parts);
    this.root.hidden = false;
  }

  close() {
    this.root.hidden = true;
    document.getElementById("gx-share-link")?.focus();
  }

  /** Fills the form from the link in the address, once the form is there. */
  async open(until = performance.now() + 15000) {
    const { hash } = window.location;
    if (!hash.startsWith(LINK_MARK)) return;
    const ready = document.getElementById("gx-restore") && document.getElementById("gx-exports") && window.Explorer.stage;
    if (!ready) {
      if (performance.now() < until) setTimeout(() => this.open(until), 80);
      return;
    }
    const found = await this.ask({ ask: "open", link: hash.slice(LINK_MARK.length) });
    if (!found) return;
    const named = found.offered || !found.state.model ? "" : ` It names the model ${found.state.model}, which is not loaded by a link: choose it above if you trust it.`;
    this.fill(found, `The form is filled in from a link: press Run to see it.${named}`);
  }

  /** Fills the form. @param {{state: object, offered: boolean}} found @param {string} said */
  fill({ state, offered }, said) {
    this.state = { ...state, offered };
    window.Explorer.setSpecs(state.lanes);
    restoreView(window.Explorer.stage, state.view);
    press("gx-restore");
    this.show(make("p", { text: said }));
  }

  /** Values of the form's fields, in the order of `ui/share.py`. */
  values(model, preset) {
    const { state } = this;
    const stops = state.stop_strings.join("\n");
    return [state.offered ? state.model : model, state.prompt, state.chat ? "chat" : "raw", state.max_new_tokens, state.seed, state.coupled, state.stop_on_loop, state.loop_max_period, state.loop_min_copies, state.loop_min_tokens, state.top, stops, preset];
  }
}
