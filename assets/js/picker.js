// Finding a method: a search field over all families, each method with what it does and shows.

let pickerCount = 0;

/** What a search looks at: names, words, papers, and what other programs call it. */
function searchText(entry) {
  const parts = [entry.name, entry.name.replace(/_/g, " "), entry.title, entry.summary, entry.paper];
  return [...parts, ...(entry.aliases || []), entry.family, entry.heading].join(" ").toLowerCase();
}

function matchesSearch(entry, typed) {
  const text = searchText(entry);
  return typed.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

class Picker {
  /**
   * @param {Array<object>} entries what may be picked, in the catalogue's order
   * @param {string} chosen name of the method that is there now, or ""
   * @param {{onPick: function(string), onClose: function()}} actions
   */
  constructor(entries, chosen, actions) {
    this.entries = entries;
    this.actions = actions;
    this.id = `gx-picker-${(pickerCount += 1)}`;
    this.options = [];
    this.build();
    this.show("");
    this.activate(Math.max(0, this.options.findIndex((option) => option.dataset.name === chosen)));
  }

  build() {
    this.box = make("input", {
      class: "gx-spec gx-find-method",
      type: "search",
      role: "combobox",
      placeholder: "name, paper, or what it does",
      "aria-label": "Find a method",
      "aria-controls": `${this.id}-list`,
      "aria-expanded": "true",
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.show(this.box.value),
      onkeydown: (event) => this.onKey(event),
    });
    this.count = make("p", { class: "gx-param-help", role: "status" });
    this.list = make("div", { class: "gx-methods", role: "listbox", id: `${this.id}-list`, "aria-label": "Methods by family" });
    this.list.addEventListener("click", (event) => this.onClick(event));
    const cancel = make("button", {
      class: "gx-button gx-quiet",
      type: "button",
      text: "Cancel",
      onclick: () => this.actions.onClose(),
    });
    this.root = make("div", { class: "gx-picker" }, make("div", { class: "gx-picker-bar" }, this.box, cancel), this.count, this.list);
  }

  onKey(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 };
    if (steps[event.key]) this.activate(clamp(this.active + steps[event.key], 0, this.options.length - 1));
    else if (event.key === "Enter" && this.options[this.active]) this.pick(this.options[this.active]);
    else return;
    event.preventDefault();
  }

  onClick(event) {
    if (event.target.closest("a")) return;
    const option = event.target.closest("[role=option]");
    if (option) this.pick(option);
  }

  pick(option) {
    this.actions.onPick(option.dataset.name);
  }

  show(typed) {
    const found = this.entries.filter((entry) => matchesSearch(entry, typed.trim()));
    const groups = new Map();
    for (const entry of found) {
      if (!groups.has(entry.family)) groups.set(entry.family, []);
      groups.get(entry.family).push(entry);
    }
    const places = [...groups].map(([family, entries], place) => this.makeGroup(family, entries, place));
    this.list.replaceChildren(...places);
    this.options = [...this.list.querySelectorAll("[role=option]")];
    setText(this.count, found.length ? `${found.length} of ${plural(this.entries.length, "method")}` : this.nothing(typed));
    this.activate(0);
  }

  nothing(typed) {
    return `Nothing here is called “${typed.trim()}”. Try a paper's author, or a word such as repetition or beam.`;
  }

  makeGroup(family, entries, place) {
    const heading = make("p", { class: "gx-family", id: `${this.id}-family-${place}` });
    heading.append(make("strong", { text: entries[0].heading || family }), ` · ${family}`);
    return make(
      "div",
      { role: "group", "aria-labelledby": heading.id },
      heading,
      ...entries.map((entry) => this.makeOption(entry)),
    );
  }

  makeOption(entry) {
    const option = make(
      "div",
      { class: "gx-method", role: "option", id: `${this.id}-${entry.name}`, "data-name": entry.name, "aria-selected": "false" },
      make("p", { class: "gx-method-head" }, make("strong", { text: entry.title }), make("code", { text: entry.name })),
      makeSummary(entry),
    );
    if (entry.look_for) {
      option.append(make("p", { class: "gx-look-for" }, make("em", { text: "Look for: " }), entry.look_for));
    }
    return option;
  }

  activate(place) {
    const before = this.options[this.active];
    if (before) before.setAttribute("aria-selected", "false");
    this.active = place;
    const option = this.options[place];
    this.box.setAttribute("aria-activedescendant", option ? option.id : "");
    if (!option) return;
    option.setAttribute("aria-selected", "true");
    if (option.isConnected) option.scrollIntoView({ block: "nearest" });
  }

  focus() {
    this.box.focus({ preventScroll: true });
    const option = this.options[this.active];
    if (option) option.scrollIntoView({ block: "nearest" });
  }
}

/** One sentence and the paper, linked where it can be read. */
function makeSummary(entry) {
  const summary = make("p", { class: "gx-summary", text: `${entry.summary} ` });
  const paper = entry.paper || entry.source;
  if (paper && entry.url) {
    const link = { href: entry.url, target: "_blank", rel: "noopener noreferrer", tabindex: null, text: paper };
    summary.append(make("a", link));
  } else if (paper) {
    summary.append(make("cite", { text: paper }));
  }
  return summary;
}
