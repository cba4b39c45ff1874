// The bar over the lanes: what the colours mean, how the run stands.

class Toolbar {
  /** @param {{readOnly: boolean, onColour: function(string), onTall: function(boolean),
   *   onAdd: function()}} actions */
  constructor(actions) {
    this.actions = actions;
    this.legend = make("div", { class: "gx-legend", "aria-live": "polite" });
    this.colours = this.makeColours();
    this.tall = make("button", {
      class: "gx-button gx-quiet gx-tall",
      type: "button",
      text: "Tall lanes",
      "aria-pressed": "false",
      title: "Show every lane's whole text without scrolling inside the lane",
      onclick: () => this.setTall(this.tall.getAttribute("aria-pressed") !== "true"),
    });
    this.add = make("button", {
      class: "gx-button gx-add",
      type: "button",
      text: "+ Add method",
      onclick: () => actions.onAdd(),
    });
    if (actions.readOnly) this.add.hidden = true;
    this.prompt = make("span", { class: "gx-prompt", dir: "auto" });
    this.state = make("span", { class: "gx-state", role: "status" });
    this.meter = make("progress", { class: "gx-meter", max: 1, "aria-label": "Progress of the run" });
    this.meter.hidden = true;
    this.runLine = make("div", { class: "gx-run-line" }, this.prompt, make("span", { class: "gx-grow" }), this.meter, this.state);
    this.error = make("div", { class: "gx-error", role: "alert" });
    this.error.hidden = true;
    this.root = make(
      "div",
      { class: "gx-toolbar" },
      make("div", { class: "gx-bar-line" }, this.colours, this.legend, make("span", { class: "gx-grow" }), this.tall, this.add),
      this.runLine,
      this.error,
    );
  }

  makeColours() {
    const group = make("div", { class: "gx-colours", role: "radiogroup", "aria-label": "Colour tokens by" });
    for (const mode of COLOUR_MODES) {
      const input = make("input", { type: "radio", name: "gx-colour", value: mode.key });
      input.addEventListener("change", () => this.actions.onColour(mode.key));
      group.append(make("label", { title: mode.help }, input, make("span", { text: mode.label })));
    }
    return group;
  }

  setTall(tall) {
    this.tall.setAttribute("aria-pressed", tall ? "true" : "false");
    this.actions.onTall(tall);
  }

  showColour(key) {
    for (const input of this.colours.querySelectorAll("input")) input.checked = input.value === key;
    const mode = COLOUR_MODES.find((candidate) => candidate.key === key);
    const parts = [];
    if (key === "rank") {
      PALETTE.rankLabels.forEach((label, index) => {
        const bin = index + 1;
        parts.push(make("span", { class: `gx-swatch gx-rank-${bin}`, text: label }));
      });
    } else if (key === "loops") {
      parts.push(make("span", { class: "gx-swatch gx-loop gx-copy-start", text: "copy" }));
      parts.push(make("span", { class: "gx-swatch gx-loop gx-copy-start gx-copy-odd", text: "next copy" }));
    } else {
      const ramp = make("span", { class: "gx-ramp", "aria-hidden": "true" });
      for (let step = 0; step <= PALETTE.levels; step += 1) {
        ramp.append(make("span", { class: step ? `gx-${key}-${step}` : "" }));
      }
      parts.push(make("span", { text: mode.low }), ramp, make("span", { text: mode.high }));
    }
    this.legend.replaceChildren(...parts);
    this.legend.title = mode.help;
  }

  showLaneCount(count, maximum) {
    this.add.disabled = count >= maximum;
    this.add.title = count >= maximum ? `At most ${maximum} methods at once` : "Add a lane with another method";
  }

  /** How the run stands, in one line. */
  showRun(run, asked) {
    const header = run.header;
    setText(this.prompt, header && header.prompt ? header.prompt.text : "");
    this.prompt.title = header && header.prompt ? header.prompt.text : "";
    this.showError(run.error);
    const [words, fraction] = this.runWords(run, asked);
    setText(this.state, words);
    this.meter.hidden = fraction === undefined;
    if (fraction === null) this.meter.removeAttribute("value");
    else if (fraction !== undefined) this.meter.value = fraction;
  }

  runWords(run, { starting, ending, reminded }) {
    if (ending) return ["Stopping…", null];
    if (reminded) return ["A run is under way: Esc stops it", null];
    if (starting) return ["Starting…", null];
    if (run.error) return ["", undefined];
    if (!run.header && !run.progress) return ["Run a prompt to see what each method would say.", undefined];
    if (run.done) return [this.doneWords(run), undefined];
    if (run.closed) return ["The run broke off; what was written is kept.", undefined];
    if (run.progress) return this.progressWords(run.progress);
    const longest = Math.max(0, ...run.lanes.map((lane) => lane.tokens.length));
    const asked = run.header ? run.header.max_new_tokens : 0;
    if (longest === 0) return ["Waiting for the first token…", null];
    return [`Writing token ${longest} of ${asked}`, asked ? longest / asked : null];
  }

  progressWords({ what, fraction }) {
    return isNumber(fraction) ? [`${what}… ${Math.floor(fraction * 100)}%`, fraction] : [`${what}…`, null];
  }

  doneWords(run) {
    const words = [];
    if (run.lanes.some((lane) => lane.end === "cancelled")) words.push("Stopped, everything is kept");
    else words.push("Done");
    if (isNumber(run.done.elapsed_s)) words[0] += ` in ${run.done.elapsed_s.toFixed(1)} s`;
    const seed = run.done.seed ?? (run.header && run.header.seed);
    if (seed !== undefined && seed !== null) words.push(`seed ${seed}`);
    if (run.header && run.header.coupled) words.push("same noise");
    return words.join(" · ");
  }

  showError(error) {
    const isNew = Boolean(error) && error !== this.shownError;
    this.shownError = error;
    this.error.hidden = !error;
    // The message takes the line's place, so that the lanes stay where they are.
    this.runLine.hidden = Boolean(error) && this.prompt.textContent === "";
    if (!error) {
      this.error.replaceChildren();
      return;
    }
    this.error.replaceChildren(
      make("strong", { text: error.message }),
      error.hint ? make("span", { text: ` ${error.hint}` }) : "",
    );
    // On a phone Run stands a screen above.
    if (isNew) this.error.scrollIntoView({ block: "nearest" });
  }
}
