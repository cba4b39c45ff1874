// What lies on the map: AriEL's nested boxes, decoded patches, sampled points, a way, a pin.

const LABEL_PX = 9;
const LARGEST_LABEL_PX = 64;

/** Nested boxes of words; each is as large as its beginning of a sentence is likely. */
class CellLayer {
  constructor(colours) {
    this.colours = colours;
    this.map = null;
  }

  /** @param {object|null} map answer to the question "cells" */
  show(map) {
    this.map = map;
    if (!map) return;
    this.hasInside = new Set(map.cells.map((cell) => cell[1]));
    this.hues = [];
    for (const [word, parent, depth, , , , , , id] of map.cells) {
      const first = map.prefix.length === 0 && parent === -1;
      const own = ((id * 137.508) % 360 + 360) % 360;
      const above = parent === -1 ? own : this.hues[parent];
      this.hues.push(first || parent === -1 ? own : (above * 5 + own) / 6);
    }
  }

  /** Screen box of a cell, as the window is now and not as it was when it was asked for. */
  box(cell, view) {
    const [mx0, my0, mx1, my1] = this.map.window;
    const [, , , , x, y, width, height] = cell;
    const [left, right] = [view.x(mx0 + x * (mx1 - mx0)), view.x(mx0 + (x + width) * (mx1 - mx0))];
    const [bottom, top] = [view.y(my0 + y * (my1 - my0)), view.y(my0 + (y + height) * (my1 - my0))];
    return [left, top, right - left, bottom - top];
  }

  draw(context, view) {
    if (!this.map) return;
    const ink = styleOf(view.canvas, "--gx-ink");
    const edge = styleOf(view.canvas, "--gx-surface");
    const font = styleOf(view.canvas, "--gx-font") || "sans-serif";
    this.map.cells.forEach((cell, place) => {
      const [left, top, width, height] = this.box(cell, view);
      if (left > view.width || top > view.height || left + width < 0 || top + height < 0) return;
      context.fillStyle = this.colours.hue(this.hues[place], cell[2]);
      context.fillRect(left, top, width, height);
      context.strokeStyle = edge;
      context.lineWidth = Math.max(0.4, 2.2 - 0.4 * cell[2]);
      context.strokeRect(left, top, width, height);
    });
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = ink;
    this.map.cells.forEach((cell, place) => this.drawLabel(context, view, cell, place, font));
  }

  drawLabel(context, view, cell, place, font) {
    const [left, top, width, height] = this.box(cell, view);
    // Only what is seen of a box counts: its word stands in the middle of that.
    const [x0, x1] = [Math.max(0, left), Math.min(view.width, left + width)];
    const [y0, y1] = [Math.max(0, top), Math.min(view.height, top + height)];
    const word = cell[3] ? "■" : cell[0];
    const upright = y1 - y0 > 2.2 * (x1 - x0) && word.length > 1;
    const [long, short] = upright ? [y1 - y0, x1 - x0] : [x1 - x0, y1 - y0];
    const size = Math.min((long * 1.55) / Math.max(2, word.length), short * 0.62, LARGEST_LABEL_PX);
    if (size < LABEL_PX) return;
    const isOuter = this.hasInside.has(place);
    context.globalAlpha = isOuter ? clamp(0.5 - size / 120, 0.13, 0.4) : 0.9;
    context.font = `${isOuter ? 650 : 500} ${Math.min(size, isOuter ? LARGEST_LABEL_PX : 15)}px ${font}`;
    context.save();
    // The word of an outer box keeps to an edge, where the words of the inner ones are not.
    if (isOuter && upright) context.translate((x0 + x1) / 2, y1 - (word.length * size) / 3.1);
    else if (isOuter && cell[2] % 2 === 0) context.translate(x0 + (word.length * size) / 3.1, (y0 + y1) / 2);
    else if (isOuter) context.translate((x0 + x1) / 2, y1 - size * 0.7);
    else context.translate((x0 + x1) / 2, (y0 + y1) / 2);
    if (upright) context.rotate(-Math.PI / 2);
    context.fillText(word, 0, 0);
    context.restore();
    context.globalAlpha = 1;
  }

  /** Words of the innermost box at a place, whether they are a whole sentence, and its share of the space. */
  at([x, y]) {
    if (!this.map) return null;
    const [mx0, my0, mx1, my1] = this.map.window;
    const [cx, cy] = [(x - mx0) / (mx1 - mx0), (y - my0) / (my1 - my0)];
    let found = -1;
    this.map.cells.forEach(([, parent, , , left, bottom, width, height], place) => {
      if (parent === found && cx >= left && cx < left + width && cy >= bottom && cy < bottom + height) found = place;
    });
    if (found < 0) return null;
    const words = [];
    let ended = false;
    for (let place = found; place >= 0; place = this.map.cells[place][1]) {
      if (this.map.cells[place][3]) ended = true;
      else words.unshift(this.map.cells[place][0]);
    }
    const [, , , , , , width, height] = this.map.cells[found];
    const frame = this.map.box.width;
    const share = width * (mx1 - mx0) * frame[0] * height * (my1 - my0) * frame[1];
    return { words: [...this.map.prefix_words, ...words], ended, share };
  }
}

/** A plane decoded on a grid: every sentence's region shows as a patch. */
class PatchLayer {
  constructor(colours) {
    this.colours = colours;
    this.map = null;
  }

  /** @param {object|null} map answer to the question "patches" */
  show(map) {
    this.map = map;
    if (map) this.extents = this.measure(map);
    this.image = null;
  }

  /** The longest run of every sentence in one row of the grid: there its label fits best. */
  measure({ index, columns, rows, sentences }) {
    const best = sentences.map(() => null);
    for (let row = 0; row < rows; row += 1) {
      for (let start = 0; start < columns; ) {
        const one = index[row * columns + start];
        let end = start;
        while (end < columns && index[row * columns + end] === one) end += 1;
        if (one >= 0 && (!best[one] || end - start > best[one].length)) {
          best[one] = { length: end - start, column: (start + end) / 2, row: row + 0.5 };
        }
        start = end;
      }
    }
    return best;
  }

  draw(context, view) {
    if (!this.map) return;
    const { window: bounds, columns, rows } = this.map;
    const image = this.picture();
    const [left, right] = [view.x(bounds[0]), view.x(bounds[2])];
    const [top, bottom] = [view.y(bounds[3]), view.y(bounds[1])];
    context.imageSmoothingEnabled = false;
    // Whole regions of a strong colour would drown the points.
    context.globalAlpha = ["valid", "novel", "kind"].includes(this.colours.by) ? 0.42 : 1;
    context.drawImage(image, left, top, right - left, bottom - top);
    context.globalAlpha = 1;
    this.drawEdges(context, left, top, (right - left) / columns, (bottom - top) / rows, view);
    this.drawLabels(context, left, bottom, (right - left) / columns, (bottom - top) / rows, view);
  }

  picture() {
    const key = `${this.colours.by} ${this.colours.dark}`;
    if (this.image && this.imageKey === key) return this.image;
    const { columns, rows, index, sentences } = this.map;
    const image = make("canvas", { width: columns, height: rows });
    const context = image.getContext("2d");
    const colours = sentences.map((row) => this.colours.of(row));
    for (let place = 0; place < index.length; place += 1) {
      if (index[place] < 0) continue;
      context.fillStyle = colours[index[place]];
      context.fillRect(place % columns, rows - 1 - Math.floor(place / columns), 1, 1);
    }
    this.image = image;
    this.imageKey = key;
    return image;
  }

  drawEdges(context, left, top, wide, high, view) {
    const { columns, rows, index } = this.map;
    context.beginPath();
    for (let place = 0; place < index.length; place += 1) {
      const [column, row] = [place % columns, rows - 1 - Math.floor(place / columns)];
      const [x, y] = [left + column * wide, top + row * high];
      if (column + 1 < columns && index[place] !== index[place + 1]) {
        context.moveTo(x + wide, y);
        context.lineTo(x + wide, y + high);
      }
      if (place + columns < index.length && index[place] !== index[place + columns]) {
        context.moveTo(x, y);
        context.lineTo(x + wide, y);
      }
    }
    context.strokeStyle = styleOf(view.canvas, "--gx-surface");
    context.lineWidth = 1;
    context.stroke();
  }

  drawLabels(context, left, bottom, wide, high, view) {
    context.font = `500 12px ${styleOf(view.canvas, "--gx-font") || "sans-serif"}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = styleOf(view.canvas, "--gx-ink");
    this.extents.forEach((extent, number) => {
      if (!extent) return;
      const room = extent.length * wide - 6;
      if (room < 48 || high * 3 < 8) return;
      const text = fitText(context, this.map.sentences[number].text, room);
      if (text) context.fillText(text, left + extent.column * wide, bottom - extent.row * high);
    });
  }

  /** Facts of the sentence at a place. */
  at([x, y]) {
    if (!this.map) return null;
    const { window: bounds, columns, rows, index, sentences } = this.map;
    const column = Math.floor(((x - bounds[0]) / (bounds[2] - bounds[0])) * columns);
    const row = Math.floor(((y - bounds[1]) / (bounds[3] - bounds[1])) * rows);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return null;
    return sentences[index[row * columns + column]] || null;
  }
}

/** A text cut to a width in pixels; "" where next to nothing of it would be left. */
function fitText(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let end = Math.floor(text.length * (room / context.measureText(text).width));
  while (end > 3 && context.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
  return end > 5 ? `${text.slice(0, end).trimEnd()}…` : "";
}

/** Sampled points; those that are not chosen fade. */
class PointLayer {
  constructor(colours) {
    this.colours = colours;
    this.clear();
  }

  clear() {
    this.places = [];
    this.rows = [];
    this.chosen = null;
    this.hovered = -1;
  }

  draw(context, view) {
    const edge = styleOf(view.canvas, "--gx-surface");
    const usual = this.rows.length > 2000 ? 2.5 : this.rows.length > 500 ? 3.5 : 5;
    const radius = view.width < 500 ? usual * 0.6 : usual;
    const plain = this.colours.by === "sentence";
    const ink = styleOf(view.canvas, "--gx-ink");
    this.rows.forEach((row, number) => {
      const place = this.places[number];
      if (!place) return;
      const [x, y] = [view.spaceX(place[0]), view.spaceY(place[1])];
      if (x < -9 || y < -9 || x > view.width + 9 || y > view.height + 9) return;
      context.globalAlpha = this.chosen && !this.chosen.has(number) ? 0.14 : 0.92;
      context.beginPath();
      if (row.valid === false) cross(context, x, y, radius);
      else context.arc(x, y, radius, 0, 7);
      context.fillStyle = plain ? ink : this.colours.of(row);
      context.strokeStyle = row.valid === false ? context.fillStyle : edge;
      context.lineWidth = row.valid === false ? 2 : 1;
      context.fill();
      context.stroke();
    });
    context.globalAlpha = 1;
    if (this.hovered >= 0 && this.places[this.hovered]) {
      const [x, y] = this.places[this.hovered];
      context.beginPath();
      context.arc(view.spaceX(x), view.spaceY(y), radius + 4, 0, 7);
      context.strokeStyle = styleOf(view.canvas, "--gx-accent");
      context.lineWidth = 2;
      context.stroke();
    }
  }

  /** Number of the point nearest to a place of the screen, or -1. */
  near([px, py], view) {
    let [best, found] = [PICK_PX ** 2, -1];
    this.rows.forEach((_, number) => {
      const place = this.places[number];
      if (!place) return;
      const distance = (view.spaceX(place[0]) - px) ** 2 + (view.spaceY(place[1]) - py) ** 2;
      if (distance < best) [best, found] = [distance, number];
    });
    return found;
  }
}

function cross(context, x, y, radius) {
  context.moveTo(x - radius, y - radius);
  context.lineTo(x + radius, y + radius);
  context.moveTo(x + radius, y - radius);
  context.lineTo(x - radius, y + radius);
}

/** The way of a walk, its holes marked, and where one stands on it. */
class WayLayer {
  constructor(colours) {
    this.colours = colours;
    this.way = null;
    this.at = 0;
  }

  draw(context, view) {
    if (!this.way) return;
    const { places, rows } = this.way;
    const ink = styleOf(view.canvas, "--gx-ink");
    context.beginPath();
    for (const [x, y] of places) context.lineTo(view.spaceX(x), view.spaceY(y));
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.stroke();
    rows.forEach((row, number) => {
      const [x, y] = [view.spaceX(places[number][0]), view.spaceY(places[number][1])];
      context.beginPath();
      const isHole = !row || row.valid === false;
      if (isHole) cross(context, x, y, 3.5);
      else context.arc(x, y, 3, 0, 7);
      context.fillStyle = ink;
      context.strokeStyle = isHole ? styleOf(view.canvas, "--gx-danger") : ink;
      context.fill();
      context.stroke();
    });
    this.drawEnds(context, view, places, ink);
    const here = places[this.at];
    if (!here) return;
    context.beginPath();
    context.arc(view.spaceX(here[0]), view.spaceY(here[1]), 8, 0, 7);
    context.strokeStyle = styleOf(view.canvas, "--gx-accent");
    context.lineWidth = 3;
    context.stroke();
  }

  drawEnds(context, view, places, ink) {
    context.font = `650 14px ${styleOf(view.canvas, "--gx-font") || "sans-serif"}`;
    context.textAlign = "center";
    context.fillStyle = ink;
    const ends = [["A", places[0]], ["B", places[places.length - 1]]];
    for (const [name, [x, y]] of ends) context.fillText(name, view.spaceX(x), view.spaceY(y) - 13);
  }
}

/** Boxes within boxes: what each word of a round trip keeps of the square. */
class TripLayer {
  constructor() {
    this.cuts = null;
    this.shown = null;
  }

  draw(context, view) {
    if (!this.cuts) return;
    const accent = styleOf(view.canvas, "--gx-accent");
    this.cuts.forEach(({ low, width }, number) => {
      const [left, right] = [view.spaceX(low[0]), view.spaceX(low[0] + width[0])];
      const flat = low.length < 2;
      const [bottom, top] = flat ? [view.height, 0] : [view.spaceY(low[1]), view.spaceY(low[1] + width[1])];
      context.strokeStyle = accent;
      context.globalAlpha = this.shown === null || this.shown === number ? 1 : 0.35;
      context.lineWidth = this.shown === number ? 3 : 1.5;
      context.strokeRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
    });
    context.globalAlpha = 1;
  }
}

/** The pinned point, and where the sentence it says has its own code. */
class PinLayer {
  constructor() {
    this.place = null;
    this.code = null;
  }

  draw(context, view) {
    if (!this.place) return;
    const accent = styleOf(view.canvas, "--gx-accent");
    const [x, y] = [view.spaceX(this.place[0]), view.spaceY(this.place[1])];
    context.strokeStyle = accent;
    context.fillStyle = accent;
    context.lineWidth = 2;
    if (this.code) {
      const [cx, cy] = [view.spaceX(this.code[0]), view.spaceY(this.code[1])];
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(cx, cy);
      context.stroke();
      context.setLineDash([]);
      context.strokeRect(cx - 4, cy - 4, 8, 8);
    }
    context.beginPath();
    context.arc(x, y, 6, 0, 7);
    context.fill();
    context.strokeStyle = styleOf(view.canvas, "--gx-surface");
    context.stroke();
  }
}
