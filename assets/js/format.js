// Numbers and words for people. The wire carries nats; `toBits` is the one place that changes that.

const toBits = (nats) => nats / Math.LN2;

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Bits with two decimals; a null surprisal is that of a token the law forbids. */
function formatBits(nats, unit = "bits") {
  if (nats === undefined) return "–";
  const number = nats === null ? "∞" : toBits(nats).toFixed(2);
  return unit ? `${number} ${unit}` : number;
}

/** Per cent with one decimal; what is not zero never reads as zero. */
function formatPercent(probability) {
  if (!isNumber(probability)) return "–";
  if (probability <= 0) return "0.0%";
  if (probability < 0.0005) return "<0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}

const probabilityOf = (logprob) => (isNumber(logprob) ? Math.exp(logprob) : 0);

const probabilityOfSurprisal = (nats) => (isNumber(nats) ? Math.exp(-nats) : 0);

const formatCount = (value) => (isNumber(value) ? value.toLocaleString("en-US") : "–");

function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A decoder's note or a parameter: short, without false precision. */
function formatNote(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (!isNumber(value)) return String(value);
  if (Number.isInteger(value)) return formatCount(value);
  return String(Number(value.toPrecision(4)));
}

const STOP_REASONS = {
  eos: ["eos", "The model ended its text itself, with an end-of-sequence token."],
  max_new_tokens: ["length", "The number of tokens asked for was reached."],
  stop_string: ["stop string", "One of your stop strings was written."],
  loop: ["loop", "The continuation had become periodic, and “stop on loop” is on."],
  cancelled: ["stopped", "You stopped the run; everything written until then is kept."],
  deadline: ["time limit", "The time limit of the run was reached."],
};

const stopWord = (reason) => (STOP_REASONS[reason] || [String(reason)])[0];
const stopSentence = (reason) => (STOP_REASONS[reason] || ["", ""])[1];

function formatLoop(loop) {
  const copies = isNumber(loop.copies) ? Number(loop.copies.toFixed(1)) : "–";
  return `loop from ${loop.onset}, period ${loop.period} · ${copies} ${copies === 1 ? "copy" : "copies"}`;
}

/** A token as it is quoted in a sentence: its whitespace is made visible. */
function quotePiece(piece) {
  const visible = piece.replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/\r/g, "␍");
  return visible === "" ? "∅" : visible.replace(/ /g, "␣");
}

/** createElement with properties and children; text only ever becomes a text node. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

const SVG_NS = "http://www.w3.org/2000/svg";

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG_NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

// Drawn, not typed: fonts differ in which symbols they have.
const ICONS = {
  more: "M3 8h.01M8 8h.01M13 8h.01",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  reset: "M3.5 5.5A5 5 0 1 1 3 8.5M3.5 2.5v3h3",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
};

/** A button that is only a picture; its label is for screen readers and on hover. */
function makeIconButton(icon, label, onclick, properties = {}) {
  const button = make("button", { class: "gx-icon", type: "button", "aria-label": label, title: label, onclick, ...properties });
  const picture = makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" });
  picture.append(makeSvg("path", { d: ICONS[icon] }));
  button.append(picture);
  return button;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Remembers a choice between visits; a page opened from a file may have no storage. */
const memory = {
  get(name, fallback) {
    try {
      return window.localStorage.getItem(`explorer.${name}`) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(name, value) {
    try {
      window.localStorage.setItem(`explorer.${name}`, value);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  },
};

const laneColour = (number) => `var(--gx-lane-${number % PALETTE.laneColours.length})`;
