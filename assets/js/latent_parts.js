// Small pieces that the panels of the Latent page share.

/** A labelled box of choices; `choices` are pairs of a value and a word. */
function choiceBox(label, choices, value, onChange, properties = {}) {
  const select = make("select", { class: "gx-select", onchange: () => onChange(select.value), ...properties });
  select.append(...choices.map(([key, word]) => make("option", { value: key, text: word })));
  select.value = String(value);
  return make("label", { class: "gx-labelled" }, make("span", { text: label }), select);
}

function textBox(label, value, properties = {}) {
  const input = make("input", { class: "gx-input", type: "text", value, spellcheck: "false", autocomplete: "off", ...properties });
  return make("label", { class: "gx-labelled gx-wide" }, make("span", { text: label }), input);
}

function numberBox(label, value, low, high, properties = {}) {
  const input = make("input", { class: "gx-input", type: "number", value, min: low, max: high, step: 1, ...properties });
  return make("label", { class: "gx-labelled" }, make("span", { text: label }), input);
}

const fieldOf = (label) => label.querySelector("input, select");

/** A whole number from a box, kept in its bounds; what is none becomes the lower one. */
function wholeOf(label) {
  const input = fieldOf(label);
  const value = Math.round(Number(input.value));
  const held = Number.isFinite(value) ? clamp(value, Number(input.min), Number(input.max)) : Number(input.min);
  input.value = held;
  return held;
}

/** Buttons of which one is chosen; arrow keys go from one to the next, as in a row of tabs. */
function tabRow(label, choices, value, onChange) {
  const buttons = choices.map(([key, word]) =>
    make("button", { class: "gx-tab", type: "button", role: "tab", text: word, "data-key": key, onclick: () => choose(key) }),
  );
  const root = make("div", { class: "gx-tabs", role: "tablist", "aria-label": label }, ...buttons);
  const show = (key) => {
    for (const button of buttons) {
      const chosen = button.dataset.key === key;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
  };
  const choose = (key) => {
    show(key);
    onChange(key);
  };
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const place = buttons.findIndex((button) => button.getAttribute("aria-selected") === "true");
    const next = buttons[(place + step + buttons.length) % buttons.length];
    next.focus();
    choose(next.dataset.key);
  });
  show(value);
  return { root, show };
}

/** Says what went wrong, in the three parts of every message of the page. */
function showProblem(element, error) {
  element.replaceChildren(make("strong", { text: error.message }), ` ${error.hint || ""}`);
  element.setAttribute("role", "alert");
  element.classList.add("gx-problem");
}

function showWords(element, text) {
  element.classList.remove("gx-problem");
  element.setAttribute("role", "status");
  setText(element, text);
}

/** The marks behind a sentence: what it is, in words a reader of the list understands. */
function rowMarks(row) {
  const marks = [];
  if (row.valid === false) marks.push("not valid");
  if (row.valid && row.novel === false) marks.push("trained on");
  return marks.join(" · ");
}

/** The surprisal of a sentence; "" where no law of the language is known. */
function bitsOf(row) {
  if (row.bits === undefined) return "";
  return isNumber(row.bits) ? `${row.bits.toFixed(1)} bits` : "impossible";
}
