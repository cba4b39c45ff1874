// Results of a lab, drawn by their type (docs/wire.md, "Results"). Nats become bits here.

const PLOT_BOX = { width: 640, height: 300, left: 56, right: 14, top: 12, bottom: 44 };
const SVG_NAME = "http://www.w3.org/2000/svg";

const inUnit = (value, unit) => (isNumber(value) && unit === "nats" ? toBits(value) : value);
const unitWord = (unit) => (unit === "nats" ? "bits" : unit);

/** A number without false precision, in its unit. */
function formatResult(value, unit = "") {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (!isNumber(value)) return String(value);
  if (unit === "share") return formatPercent(value);
  const shown = inUnit(value, unit);
  if (Number.isInteger(shown)) return formatCount(shown);
  if (Math.abs(shown) < 0.001 || Math.abs(shown) >= 1e6) return shown.toExponential(2);
  return String(Number(shown.toPrecision(4)));
}

const withUnit = (value, unit) => `${formatResult(value, unit)}${unit && unit !== "share" ? ` ${unitWord(unit)}` : ""}`;

/** All results of a run: claims first, then what they rest on. */
function mountResults(root, data) {
  root.classList.add("gx", "gx-results");
  root.replaceChildren(...resultParts(data));
}

function resultParts(data, options = {}) {
  const scalars = data.results.filter((result) => result.kind === "scalar");
  // Continuations come last: they take most room, and the pictures are what was asked for.
  const last = (result) => Number(result.kind === "traces");
  const others = data.results.filter((result) => result.kind !== "scalar").sort((a, b) => last(a) - last(b));
  return [
    ...data.claims.map((claim) => drawClaim(claim)),
    ...(scalars.length ? [drawScalars(scalars)] : []),
    ...others.map((result) => drawResult(result, options)),
    drawSource(data),
  ];
}

function drawClaim({ statement, holds, measured, relation, threshold, paper }) {
  const interval = isNumber(measured.low) && isNumber(measured.high) ? ` (95 %: ${formatResult(measured.low, measured.unit)} to ${formatResult(measured.high, measured.unit)})` : "";
  const asked = `asked for ${relation.replace("<=", "≤").replace(">=", "≥")} ${formatResult(threshold, measured.unit)}`;
  return make(
    "section",
    { class: `gx-claim ${holds ? "gx-claim-holds" : "gx-claim-fails"}` },
    make("p", {}, make("strong", { text: holds ? "✓ shown: " : "✗ not shown here: " }), statement),
    make("p", { class: "gx-soft", text: `${measured.name}: ${withUnit(measured.value, measured.unit)}${interval}, ${asked}${isNumber(measured.n) ? `; n = ${formatCount(measured.n)}` : ""}. In the paper: ${paper}.`, title: measured.about }),
  );
}

function drawScalars(scalars) {
  const rows = scalars.map(({ name, value, unit, low, high, n, about }) => {
    const interval = isNumber(low) && isNumber(high) ? `95 %: ${formatResult(low, unit)} to ${formatResult(high, unit)}` : "";
    const facts = [interval, isNumber(n) ? `n = ${formatCount(n)}` : "", about].filter(Boolean).join(" · ");
    return make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: withUnit(value, unit) }), make("td", { class: "gx-soft", text: facts }));
  });
  return make("table", { class: "gx-result-table" }, make("tbody", {}, ...rows));
}

const RESULT_DRAWERS = { series: drawSeries, table: drawTable, spans: drawSpans, points: drawPoints, heatmap: drawHeatmap, traces: drawTraces };

function drawResult(result, options) {
  const draw = RESULT_DRAWERS[result.kind];
  const figure = make("figure", { class: "gx-figure gx-result", "data-kind": result.kind }, make("figcaption", { text: result.name }));
  figure.append(...(draw ? draw(result, options) : [make("p", { class: "gx-soft", text: "This page cannot draw it: reload it." })]));
  return figure;
}

function drawTable({ columns, rows, units }) {
  const unitOf = (k) => (units && units[k]) || "";
  const heads = columns.map((name, k) => make("th", { scope: "col", text: unitOf(k) && unitOf(k) !== "share" ? `${name}, ${unitWord(unitOf(k))}` : name }));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell, k) => make("td", { class: isNumber(cell) ? "gx-result-number" : "", text: formatResult(cell, unitOf(k)) }))));
  return [make("div", { class: "gx-sideways", tabindex: 0, role: "region", "aria-label": "A table; it scrolls sideways" }, make("table", { class: "gx-result-table" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)))];
}

function drawSpans({ pieces, values, unit, low, high }) {
  const text = make("p", { class: "gx-result-spans" });
  pieces.forEach((piece, k) => {
    const span = make("span", { text: piece, title: values[k] === null ? "" : withUnit(values[k], unit) });
    if (isNumber(values[k])) span.style.setProperty("--gx-share", String(clamp((values[k] - low) / (high - low || 1), 0, 1)));
    text.append(span);
  });
  return [text, make("p", { class: "gx-soft", text: `pale: ${withUnit(low, unit)}; full: ${withUnit(high, unit)}` })];
}

function drawTraces(result, { drawStage }) {
  const { traces, names } = result;
  const stage = drawStage ? drawStage(result) : null;
  if (stage) return [stage];
  return traces.map((trace, k) => make("div", { class: "gx-result-trace" }, make("strong", { text: names[k] || trace.decoder }), make("p", { text: trace.text })));
}

// Pictures with axes.

/** Places on an axis: round numbers, or powers of ten. */
function ticksOf(low, high, log) {
  if (log) {
    const from = Math.floor(Math.log10(low));
    const to = Math.ceil(Math.log10(high));
    const parts = high / low > 1000 ? [1] : [1, 2, 5];
    const every = Math.max(1, Math.ceil((to - from) / 8));
    const all = Array.from({ length: to - from + 1 }, (_, k) => from + k).filter((power) => power % every === 0).flatMap((power) => parts.map((part) => part * 10 ** power));
    return all.map((x) => Number(x.toPrecision(3))).filter((x) => x >= low * 0.999 && x <= high * 1.001);
  }
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const ticks = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-9; x += step) ticks.push(Number(x.toPrecision(12)));
  return ticks;
}

/** A scale from values to places of the picture; a logarithmic one leaves out what is not above 0. */
function scaleOf(values, [from, to], log) {
  const kept = values.filter((value) => isNumber(value) && (!log || value > 0));
  let low = Math.min(...kept);
  let high = Math.max(...kept);
  if (kept.length === 0) [low, high] = log ? [0.1, 1] : [0, 1];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const line = log ? Math.log : (x) => x;
  const place = (value) => from + ((line(value) - line(low)) / (line(high) - line(low))) * (to - from);
  return { low, high, place: (value) => (log && value <= 0 ? place(low) : place(value)), ticks: ticksOf(low, high, log) };
}

const tickWord = (value) => (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5) ? value.toExponential(0) : String(Number(value.toPrecision(6))));

function frameOf(name, x, y, xScale, yScale) {
  const { width, height, left, right, top, bottom } = PLOT_BOX;
  const svg = makeSvg("svg", { class: "gx-plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}: ${y.title} over ${x.title}` });
  const text = (words, attributes) => {
    const element = makeSvg("text", attributes);
    element.textContent = words;
    svg.append(element);
  };
  for (const tick of yScale.ticks) {
    svg.append(makeSvg("line", { class: "gx-plot-grid", x1: left, x2: width - right, y1: yScale.place(tick), y2: yScale.place(tick) }));
    text(tickWord(tick), { class: "gx-plot-tick", x: left - 6, y: yScale.place(tick) + 4, "text-anchor": "end" });
  }
  for (const tick of xScale.ticks) text(tickWord(tick), { class: "gx-plot-tick", x: xScale.place(tick), y: height - bottom + 18, "text-anchor": "middle" });
  const words = ({ title, unit }) => (unit && unit !== "share" ? `${title}, ${unitWord(unit)}` : title);
  text(words(x), { class: "gx-plot-title", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" });
  text(words(y), { class: "gx-plot-title", x: 0, y: 0, "text-anchor": "middle", transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)` });
  return svg;
}

const spanX = () => [PLOT_BOX.left, PLOT_BOX.width - PLOT_BOX.right];
const spanY = () => [PLOT_BOX.height - PLOT_BOX.bottom, PLOT_BOX.top];
const dashOf = (k) => PALETTE.laneDashes[k % PALETTE.laneDashes.length];

function drawSeries({ name, x, y, lines, marks }) {
  const turned = lines.map((line) => ({
    ...line,
    x: line.x.map((value) => inUnit(value, x.unit)),
    y: line.y.map((value) => inUnit(value, y.unit)),
    low: line.low.map((value) => inUnit(value, y.unit)),
    high: line.high.map((value) => inUnit(value, y.unit)),
  }));
  const levels = marks.map(([value]) => inUnit(value, y.unit));
  const xScale = scaleOf(turned.flatMap((line) => line.x), spanX(), x.log);
  const yScale = scaleOf([...turned.flatMap((line) => [...line.y, ...line.low, ...line.high]), ...levels], spanY(), y.log);
  const svg = frameOf(name, x, y, xScale, yScale);
  marks.forEach(([, words], k) => {
    const at = yScale.place(levels[k]);
    const line = makeSvg("line", { class: "gx-plot-mark", x1: PLOT_BOX.left, x2: PLOT_BOX.width - PLOT_BOX.right, y1: at, y2: at });
    line.append(titleOf(words));
    svg.append(line);
  });
  turned.forEach((line, k) => svg.append(...curveOf(line, k, xScale, yScale, y)));
  const keys = lines.map((line, k) => [line.name, k]);
  return [svg, legendOf(keys, true), pictureSaver(svg, name)];
}

function titleOf(words) {
  const title = makeSvg("title", {});
  title.textContent = words;
  return title;
}

function curveOf(line, k, xScale, yScale, axis) {
  const parts = [];
  const at = (values) => line.x.map((place, i) => `${xScale.place(place).toFixed(1)},${yScale.place(values[i]).toFixed(1)}`);
  if (line.low.length && line.low.every(isNumber) && line.high.every(isNumber)) {
    const band = makeSvg("polygon", { class: "gx-plot-band", points: [...at(line.high), ...at(line.low).reverse()].join(" ") });
    band.style.fill = laneColour(k);
    parts.push(band);
  }
  const shown = line.x.map((_, i) => i).filter((i) => isNumber(line.y[i]) && (!axis.log || line.y[i] > 0));
  const points = at(line.y);
  const curve = makeSvg("polyline", { class: "gx-plot-line", points: shown.map((i) => points[i]).join(" "), "stroke-dasharray": dashOf(k) });
  curve.style.stroke = laneColour(k);
  parts.push(curve);
  for (const i of shown) {
    const dot = makeSvg("circle", { class: "gx-plot-dot", cx: xScale.place(line.x[i]), cy: yScale.place(line.y[i]), r: 3, tabindex: -1 });
    dot.style.fill = laneColour(k);
    dot.append(titleOf(`${line.name}: ${tickWord(line.x[i])} → ${axis.unit === "share" ? formatPercent(line.y[i]) : Number(line.y[i].toPrecision(4))}`));
    parts.push(dot);
  }
  return parts;
}

function drawPoints({ name, x, y, groups, diagonal }) {
  const turned = groups.map(([words, points]) => [words, points.map(([a, b]) => [inUnit(a, x.unit), inUnit(b, y.unit)])]);
  const all = turned.flatMap(([, points]) => points);
  const both = diagonal ? all.flat() : null;
  const xScale = scaleOf(both || all.map(([a]) => a), spanX(), x.log);
  const yScale = scaleOf(both || all.map(([, b]) => b), spanY(), y.log);
  const svg = frameOf(name, x, y, xScale, yScale);
  if (diagonal) {
    const [low, high] = [Math.max(xScale.low, yScale.low), Math.min(xScale.high, yScale.high)];
    svg.append(makeSvg("line", { class: "gx-plot-mark", x1: xScale.place(low), y1: yScale.place(low), x2: xScale.place(high), y2: yScale.place(high) }));
  }
  turned.forEach(([words, points], k) => {
    for (const [a, b] of points) {
      const dot = makeSvg("circle", { class: "gx-plot-point", cx: xScale.place(a), cy: yScale.place(b), r: 4 });
      dot.style.fill = laneColour(k);
      dot.append(titleOf(`${words}: ${Number(a.toPrecision(4))}, ${Number(b.toPrecision(4))}`));
      svg.append(dot);
    }
  });
  return [svg, legendOf(groups.map(([words], k) => [words, k]), false), pictureSaver(svg, name)];
}

function legendOf(entries, lines) {
  const keys = entries.map(([words, k]) => {
    const key = makeSvg("svg", { width: 28, height: 10, "aria-hidden": "true" }, lines ? makeSvg("line", { x1: 0, x2: 28, y1: 5, y2: 5, "stroke-dasharray": dashOf(k) }) : makeSvg("circle", { cx: 14, cy: 5, r: 4 }));
    key.firstChild.style[lines ? "stroke" : "fill"] = laneColour(k);
    return make("span", {}, key, ` ${words}`);
  });
  return make("div", { class: "gx-chart-legend" }, ...keys);
}

/** The interval of one place of a map and what it was taken over, in words; "" where there is none. */
function heatFacts({ low = [], high = [], n = [], unit }, i, k) {
  const ends = [low, high].map((grid) => grid[i] && grid[i][k]);
  const interval = ends.every(isNumber) ? `${formatResult(ends[0], unit)} to ${formatResult(ends[1], unit)}` : "";
  const count = n[i] && isNumber(n[i][k]) ? `n = ${formatCount(n[i][k])}` : "";
  return [interval, count].filter(Boolean).join(", ");
}

/** @param {object} result @param {{onCell?: (column: string, row: string) => void}} options called with the labels of a place that was clicked */
function drawHeatmap(result, { onCell } = {}) {
  const { x, y, columns, rows, values, unit, name } = result;
  const known = values.flat().filter(isNumber);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const heads = [make("th", { text: `${y.title} \\ ${x.title}` }), ...columns.map((word) => make("th", { scope: "col", text: word }))];
  const body = values.map((row, i) =>
    make("tr", {}, make("th", { scope: "row", text: rows[i] }), ...row.map((value, k) => {
      const facts = heatFacts(result, i, k);
      const cell = make("td", { class: "gx-heat", text: formatResult(value, unit), title: `${rows[i]}, ${columns[k]}: ${withUnit(value, unit)}` });
      if (facts) cell.append(make("small", { text: facts }));
      if (onCell && isNumber(value)) cell.replaceChildren(make("button", { class: "gx-heat-open", type: "button", "aria-label": `${cell.title}: open its traces`, onclick: () => onCell(columns[k], rows[i]) }, ...cell.childNodes));
      if (isNumber(value)) cell.style.setProperty("--gx-share", String((value - low) / (high - low || 1)));
      return cell;
    })),
  );
  const words = [unit && unit !== "share" ? `in ${unitWord(unit)}` : "", result.n && result.n.length ? "below each value its 95 % interval, and n" : ""].filter(Boolean).join("; ");
  const grid = make("table", { class: "gx-result-table" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body));
  return [make("div", { class: "gx-sideways", tabindex: 0, role: "region", "aria-label": `${name}; it scrolls sideways` }, grid), words ? make("p", { class: "gx-soft", text: words }) : ""];
}

/** Saves a picture as it looks, its colours written out: a file knows no style sheet of ours. */
function pictureSaver(svg, name) {
  const save = () => {
    const copy = svg.cloneNode(true);
    const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
    from.forEach((element, k) => {
      const style = getComputedStyle(element);
      for (const key of ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "opacity", "fill-opacity"]) to[k].style.setProperty(key, style.getPropertyValue(key));
    });
    copy.setAttribute("xmlns", SVG_NAME);
    copy.style.background = getComputedStyle(document.body).backgroundColor;
    const link = make("a", { href: URL.createObjectURL(new Blob([copy.outerHTML], { type: "image/svg+xml" })), download: `${name.replace(/[^\w]+/g, "-").toLowerCase()}.svg` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  return make("button", { class: "gx-button gx-quiet gx-save-picture", type: "button", text: "Save picture", "aria-label": `Save “${name}” as SVG`, onclick: save });
}

function drawSource({ papers, fidelity, scaled_down: scaled, model, seed, seconds, stopped, params }) {
  const given = Object.entries(params).map(([key, value]) => `${key} = ${value === "" ? "“”" : formatNote(value)}`).join(", ");
  return make(
    "div",
    { class: "gx-soft gx-result-source" },
    make("p", { text: `${papers.join("; ")}. ${fidelity[0].toUpperCase()}${fidelity.slice(1)}: ${scaled}` }),
    make("p", { text: `${model.id}, ${model.dtype}; seed ${seed}; ${given}; ${seconds.toFixed(1)} s${stopped ? ", stopped before its end" : ""}` }),
  );
}
