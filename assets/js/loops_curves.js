// Curves over copies or repetitions: many thin lines, a few thick ones, intervals as bands.

const CURVE = { width: 460, height: 220, left: 46, right: 10, top: 10, bottom: 26 };
// Below this a probability is drawn at the floor of a log scale.
const CURVE_FLOOR = 1e-8;

const roundTop = (value) => {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 5, 10].map((k) => k * step).find((top) => top >= value) || 1;
};

/** A share or probability from 0 to 1. */
const shareScale = () => ({ at: (value) => clamp(value, 0, 1), ticks: [0, 0.25, 0.5, 0.75, 1].map((v) => [v, `${v * 100}%`]) });

/** Powers of ten, from the lowest of the values (not below 1e-8) to 1. */
function logShareScale(values) {
  const low = Math.max(CURVE_FLOOR, Math.min(0.1, ...values.filter((value) => value > 0)));
  const decades = Math.ceil(-Math.log10(low));
  const every = decades > 5 ? 2 : 1;
  const ticks = [];
  for (let k = 0; k <= decades; k += every) ticks.push([10 ** -k, k === 0 ? "100%" : k <= 2 ? `${10 ** (2 - k)}%` : `1e−${k}`]);
  return { at: (value) => 1 + Math.log10(clamp(value, 10 ** -decades, 1)) / decades, ticks };
}

/** From 0 to a round number above all values. */
function plainScale(values) {
  const top = roundTop(Math.max(0.5, ...values));
  return { at: (value) => clamp(value / top, 0, 1), ticks: [0, 0.25, 0.5, 0.75, 1].map((share) => [share * top, String(Number((share * top).toPrecision(3)))]) };
}

/** Ranks: 0 at the foot, then by factors of ten. */
function rankScale(values) {
  const decades = Math.max(1, Math.ceil(Math.log10(1 + Math.max(1, ...values))));
  const ticks = [[0, "0"]];
  for (let k = 1; k <= decades; k += 1) ticks.push([10 ** k, formatCount(10 ** k)]);
  return { at: (value) => clamp(Math.log10(1 + value) / decades, 0, 1), ticks };
}

class CurveChart {
  /**
   * @param {string} title what is drawn, with its unit
   * @param {{xName: string, format: function(number): string, onPick?: function(object, number)}} options
   *   `onPick` is called with a line and a place of it
   */
  constructor(title, options) {
    this.title = title;
    this.options = options;
    this.lines = [];
    this.at = null; // {line, place}: where the reader is
    this.read = make("p", { class: "gx-soft gx-curve-read", "aria-live": "polite" });
    this.svg = makeSvg("svg", { class: "gx-curves", viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, role: "application", tabindex: 0 });
    this.element = make("figure", { class: "gx-figure gx-curve-box" }, make("figcaption", { text: title }), this.svg, this.read);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.mark(null));
    this.svg.addEventListener("blur", () => this.mark(null));
    this.svg.addEventListener("click", (event) => {
      this.point(event);
      this.pick();
    });
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  /**
   * @param {Array<{name: string, values: Array<number|null>, strong?: boolean, colour?: string, dash?: string, low?: Array<number>, high?: Array<number>}>} lines
   * @param {{at: function(number): number, ticks: Array<[number, string]>}} scale
   * @param {Array<string|number>} xs the name of every place
   */
  draw(lines, scale, xs) {
    this.lines = lines;
    this.scale = scale;
    this.xs = xs;
    this.at = null;
    this.svg.setAttribute("aria-label", `${this.title}: ${plural(lines.length, "line")} over ${plural(xs.length, this.options.xName)}. Up and down go from line to line, left and right along one.`);
    const parts = scale.ticks.flatMap(([value, word]) => {
      const y = this.y(value);
      return [makeSvg("line", { class: "gx-chart-grid", x1: CURVE.left, x2: CURVE.width - CURVE.right, y1: y, y2: y }), this.word(CURVE.left - 6, y + 4, word, "end")];
    });
    const every = Math.max(1, Math.ceil(xs.length / 8));
    xs.forEach((x, k) => k % every === 0 && parts.push(this.word(this.x(k), CURVE.height - 8, String(x), k > 0 && k === xs.length - 1 ? "end" : "middle")));
    const drawn = [...lines].sort((a, b) => Number(Boolean(a.strong)) - Number(Boolean(b.strong)));
    for (const line of drawn) parts.push(...this.lineOf(line));
    this.over = makeSvg("g", { class: "gx-curve-over" });
    this.svg.replaceChildren(...parts, this.over);
    this.mark(null);
  }

  x(k) {
    return CURVE.left + ((CURVE.width - CURVE.left - CURVE.right) * k) / Math.max(1, this.xs.length - 1);
  }

  y(value) {
    return CURVE.height - CURVE.bottom - this.scale.at(value) * (CURVE.height - CURVE.top - CURVE.bottom);
  }

  word(x, y, text, anchor) {
    const word = makeSvg("text", { class: "gx-chart-tick", x, y, "text-anchor": anchor });
    word.textContent = text;
    return word;
  }

  path(values) {
    let path = "";
    values.forEach((value, k) => {
      if (!isNumber(value)) return;
      path += `${path && isNumber(values[k - 1]) ? "L" : "M"}${this.x(k).toFixed(1)} ${this.y(value).toFixed(1)}`;
    });
    return path;
  }

  lineOf(line, extra = "") {
    const parts = [];
    const style = `${line.colour ? `stroke:${line.colour};` : ""}${line.dash ? `stroke-dasharray:${line.dash}` : ""}`;
    if (line.low && !extra) {
      const back = [...line.high.keys()].reverse().map((k) => `L${this.x(k).toFixed(1)} ${this.y(line.high[k]).toFixed(1)}`).join("");
      parts.push(makeSvg("path", { class: "gx-curve-band", d: `${this.path(line.low)}${back}Z`, style: line.colour ? `fill:${line.colour}` : "" }));
    }
    const kind = `gx-curve-line${line.strong ? " gx-curve-strong" : ""}${extra}`;
    parts.push(makeSvg("path", { class: kind, d: this.path(line.values), style }));
    // A line of one place is a dot.
    if (line.values.length === 1 && isNumber(line.values[0])) parts.push(makeSvg("circle", { class: "gx-curve-dot", cx: this.x(0), cy: this.y(line.values[0]), r: 3 }));
    return parts;
  }

  /** Marks the place of the line that is nearest to the pointer. */
  point(event) {
    if (!this.lines.length) return;
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * CURVE.width;
    const y = ((event.clientY - box.top) / box.height) * CURVE.height;
    const share = (x - CURVE.left) / (CURVE.width - CURVE.left - CURVE.right);
    const place = clamp(Math.round(share * (this.xs.length - 1)), 0, this.xs.length - 1);
    let best = null;
    for (const line of this.lines) {
      const value = line.values[place];
      if (!isNumber(value)) continue;
      const far = Math.abs(this.y(value) - y);
      if (best === null || far < best.far) best = { far, line };
    }
    this.mark(best && { line: best.line, place });
  }

  mark(at) {
    this.at = at;
    if (!this.over) return;
    if (!at) {
      this.over.replaceChildren();
      setText(this.read, this.options.hint || "Point at a line, or walk along it with the arrow keys.");
      return;
    }
    const { line, place } = at;
    const dot = makeSvg("circle", { class: "gx-curve-dot", cx: this.x(place), cy: this.y(line.values[place]), r: 4 });
    this.over.replaceChildren(...this.lineOf(line, " gx-curve-here"), dot);
    const range = line.low ? ` (95 % of ${this.options.format(line.low[place])} to ${this.options.format(line.high[place])})` : "";
    setText(this.read, `${line.name} · ${this.options.xName} ${this.xs[place]}: ${this.options.format(line.values[place])}${range}`);
  }

  pick() {
    if (this.at && this.options.onPick) this.options.onPick(this.at.line, this.at.place);
  }

  key(event) {
    if (!this.lines.length || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick();
      return;
    }
    const [along, across] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] || [0, 0];
    if (!along && !across) return;
    event.preventDefault();
    event.stopPropagation();
    const now = this.at || { line: this.lines[0], place: along < 0 ? this.xs.length : -along };
    const number = (this.lines.indexOf(now.line) + across + this.lines.length) % this.lines.length;
    const line = this.lines[number];
    let place = clamp(now.place + along, 0, this.xs.length - 1);
    while (!isNumber(line.values[place]) && place > 0) place -= 1;
    if (isNumber(line.values[place])) this.mark({ line, place });
  }
}
