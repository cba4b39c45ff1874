// The line chart of exported pages, which have no plotting library.

const CHART = { row: 170, left: 30, right: 6, gap: 34, top: 20 };
const CHART_ROWS = [
  ["entropy", "h", PALETTE.tops.entropy],
  ["surprisal", "s", PALETTE.tops.surprisal],
];

/** Entropy and surprisal of all lanes, for pages that have no plotting library. */
class LineChart {
  constructor() {
    this.svg = makeSvg("svg", {
      class: "gx-chart",
      role: "img",
      "aria-label": "Entropy and surprisal of every lane, token by token, in bits",
    });
    this.legend = make("div", { class: "gx-chart-legend" });
    this.root = make("figure", { class: "gx-figure" }, this.legend, this.svg);
  }

  draw(lanes, length) {
    const height = CHART.top + CHART_ROWS.length * (CHART.row + CHART.gap);
    const width = this.svg.clientWidth || 900;
    this.svg.setAttribute("height", height);
    this.scale = (width - CHART.left - CHART.right) / Math.max(1, length - 1);
    this.cursor = makeSvg("line", { class: "gx-chart-cursor", y1: CHART.top, y2: height - CHART.gap });
    const rows = CHART_ROWS.map((row, index) => this.drawRow(row, index, lanes, length));
    this.svg.replaceChildren(...rows, this.cursor);
    this.legend.replaceChildren(...lanes.map((lane, index) => this.legendEntry(lane, index)));
  }

  drawRow([name, key, top], row, lanes, length) {
    const y0 = CHART.top + row * (CHART.row + CHART.gap);
    const group = makeSvg("g", { transform: `translate(${CHART.left} ${y0})` });
    for (let tick = 0; tick <= top; tick += top / 4) {
      const y = CHART.row - (tick / top) * CHART.row;
      const x2 = this.scale * Math.max(1, length - 1);
      group.append(makeSvg("line", { class: "gx-chart-grid", x1: 0, x2, y1: y, y2: y }));
      const label = makeSvg("text", { class: "gx-chart-tick", x: -8, y: y + 4, "text-anchor": "end" });
      label.textContent = tick;
      group.append(label);
    }
    const title = makeSvg("text", { class: "gx-chart-title", x: 0, y: -6 });
    title.textContent = `${name}, bits`;
    group.append(title);
    lanes.forEach((lane, index) => {
      const path = makeSvg("path", {
        class: "gx-chart-line",
        d: pathOf(lane.tokens, (token) => token[key], top, CHART.row),
        transform: `scale(${this.scale} 1)`,
        "stroke-dasharray": PALETTE.laneDashes[index % PALETTE.laneDashes.length],
      });
      path.style.stroke = laneColour(index);
      group.append(path);
    });
    return group;
  }

  legendEntry(lane, index) {
    const line = makeSvg("line", {
      x1: 0,
      x2: 28,
      y1: 5,
      y2: 5,
      "stroke-dasharray": PALETTE.laneDashes[index % PALETTE.laneDashes.length],
    });
    line.style.stroke = laneColour(index);
    const key = makeSvg("svg", { width: 28, height: 10, "aria-hidden": "true" }, line);
    return make("span", {}, key, ` ${lane.title}`);
  }

  showCursor(index) {
    if (!this.cursor) return;
    this.cursor.classList.toggle("gx-on", index !== null);
    if (index === null) return;
    const x = CHART.left + index * this.scale;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
}
