// A window onto a plane: panning, zooming and picking on a canvas; what is drawn comes in layers.

const ZOOM_STEP = 1.25;
const PICK_PX = 9;
const DRAG_PX = 4;

class LatentView {
  /**
   * @param {{onWindow: function(), onPick: function(Array<number>, Event), onHover: function(Array<number>|null, MouseEvent),
   *   onLasso: function(Array<Array<number>>)}} actions places are in the plane's own numbers
   */
  constructor(actions) {
    this.actions = actions;
    this.window = [0, 0, 1, 1];
    // The box of the space that the window's numbers are counted in: deep zooms have a small one.
    this.box = { low: [0, 0], width: [1, 1] };
    this.whole = this.window;
    this.layers = [];
    this.lasso = null;
    this.selecting = false;
    this.pointers = new Map();
    this.frame = 0;
    this.canvas = make("canvas", {
      class: "gx-map",
      tabindex: "0",
      role: "application",
      "aria-label": "Map of the space. Arrow keys move, plus and minus zoom, 0 shows all, Enter reads the middle.",
    });
    this.context = this.canvas.getContext("2d");
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    canvas.addEventListener("pointerup", (event) => this.onUp(event));
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.actions.onHover(null));
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.draw());
  }

  resize() {
    const scale = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw();
  }

  get width() {
    return this.canvas.clientWidth || 1;
  }

  get height() {
    return this.canvas.clientHeight || 1;
  }

  /** Looks at another plane, or at all of it again. */
  setWhole(bounds) {
    this.whole = bounds;
    this.box = { low: [0, 0], width: [1, 1] };
    this.setWindow(bounds);
  }

  setWindow(bounds, byHand = false) {
    this.window = bounds;
    this.draw();
    this.actions.onWindow(byHand);
  }

  x(value) {
    const [x0, , x1] = this.window;
    return ((value - x0) / (x1 - x0)) * this.width;
  }

  y(value) {
    const [, y0, , y1] = this.window;
    return this.height - ((value - y0) / (y1 - y0)) * this.height;
  }

  /** Where a number of the space itself lies on the screen. */
  spaceX(value) {
    return this.x((value - this.box.low[0]) / this.box.width[0]);
  }

  spaceY(value) {
    return this.y((value - this.box.low[1]) / this.box.width[1]);
  }

  /** The place of the window under a point of the screen. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x0, y0, x1, y1] = this.window;
    const across = (event.clientX - box.left) / box.width;
    const up = 1 - (event.clientY - box.top) / box.height;
    return [x0 + across * (x1 - x0), y0 + up * (y1 - y0)];
  }

  zoom(factor, [x, y] = this.middle()) {
    const [x0, y0, x1, y1] = this.window;
    // Zooming out ends a little beyond the whole.
    const widest = Math.max(...[0, 1].map((k) => ((this.whole[k + 2] - this.whole[k]) * 1.6) / this.box.width[k]));
    const wanted = Math.min(factor, Math.max(1, widest / Math.max(x1 - x0, y1 - y0)));
    this.setWindow([x + (x0 - x) * wanted, y + (y0 - y) * wanted, x + (x1 - x) * wanted, y + (y1 - y) * wanted], true);
  }

  middle() {
    const [x0, y0, x1, y1] = this.window;
    return [(x0 + x1) / 2, (y0 + y1) / 2];
  }

  pan(across, up) {
    const [x0, y0, x1, y1] = this.window;
    const [dx, dy] = [across * (x1 - x0), up * (y1 - y0)];
    this.setWindow([x0 + dx, y0 + dy, x1 + dx, y1 + dy], true);
  }

  onWheel(event) {
    // Without a key the page scrolls, as everywhere; over a focused map the wheel zooms.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.canvas) return;
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? ZOOM_STEP : 1 / ZOOM_STEP, this.place(event));
  }

  onDown(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved: false });
    this.lasso = this.selecting || event.shiftKey ? [this.place(event)] : null;
  }

  onMove(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) {
      this.actions.onHover(this.place(event), event);
      return;
    }
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    if (!pointer.moved && Math.hypot(dx, dy) < DRAG_PX) return;
    pointer.moved = true;
    if (this.lasso) {
      this.lasso.push(this.place(event));
      this.draw();
      return;
    }
    if (this.pointers.size === 2) {
      const [one, other] = [...this.pointers.values()];
      const before = Math.hypot(one.x - other.x, one.y - other.y);
      pointer.x = event.clientX;
      pointer.y = event.clientY;
      const after = Math.hypot(one.x - other.x, one.y - other.y);
      if (after > 0) this.zoom(before / after);
      return;
    }
    pointer.x = event.clientX;
    pointer.y = event.clientY;
    this.pan(-dx / this.width, dy / this.height);
  }

  onUp(event) {
    const pointer = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    const lasso = this.lasso;
    this.lasso = null;
    if (lasso && lasso.length > 2) this.actions.onLasso(lasso);
    else if (pointer && !pointer.moved) this.actions.onPick(this.place(event), event);
    this.draw();
  }

  onKey(event) {
    const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (moves[event.key]) this.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1 / ZOOM_STEP);
    else if (event.key === "-") this.zoom(ZOOM_STEP);
    else if (event.key === "0") this.actions.onReset();
    else if (event.key === "Enter") this.actions.onPick(this.middle(), event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.drawNow();
    });
  }

  drawNow() {
    const { context } = this;
    context.clearRect(0, 0, this.width, this.height);
    for (const layer of this.layers) {
      context.save();
      layer.draw(context, this);
      context.restore();
    }
    if (this.lasso) this.drawLasso();
    if (document.activeElement === this.canvas && this.canvas.matches(":focus-visible")) this.drawCross();
  }

  drawLasso() {
    const { context } = this;
    context.beginPath();
    for (const [x, y] of this.lasso) context.lineTo(this.x(x), this.y(y));
    context.strokeStyle = styleOf(this.canvas, "--gx-accent");
    context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
  }

  drawCross() {
    const { context } = this;
    const [x, y] = [this.width / 2, this.height / 2];
    context.beginPath();
    context.moveTo(x - 8, y);
    context.lineTo(x + 8, y);
    context.moveTo(x, y - 8);
    context.lineTo(x, y + 8);
    context.strokeStyle = styleOf(this.canvas, "--gx-ink");
    context.stroke();
  }
}

const styleOf = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/** Whether a place lies within a polygon: an odd number of its sides cross the way out. */
function isInside([x, y], polygon) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
