// A lane's sparkline: entropy over the token index.

const SPARK_HEIGHT = 100;

function pathOf(tokens, valueOf, top, height) {
  let path = "";
  for (let index = 0; index < tokens.length; index += 1) {
    const nats = valueOf(tokens[index]);
    const bits = isNumber(nats) ? toBits(nats) : top;
    const y = height - (Math.min(bits, top) / top) * height;
    path += `${index === 0 ? "M" : "L"}${index} ${y.toFixed(1)}`;
  }
  return path;
}

/** A lane's entropy while it grows. The axes are fixed by the run, so nothing rescales. */
class Sparkline {
  constructor(onPick, onHover) {
    this.area = makeSvg("path", { class: "gx-spark-area" });
    this.line = makeSvg("path", { class: "gx-spark-line" });
    this.loops = makeSvg("g", { class: "gx-spark-loops" });
    this.cursor = makeSvg("line", { class: "gx-spark-cursor", y1: 0, y2: SPARK_HEIGHT });
    this.pin = makeSvg("line", { class: "gx-spark-pin", y1: 0, y2: SPARK_HEIGHT });
    this.svg = makeSvg(
      "svg",
      { class: "gx-spark", preserveAspectRatio: "none", "aria-hidden": "true" },
      this.loops,
      this.area,
      this.line,
      this.pin,
      this.cursor,
    );
    this.setLength(128);
    if (onPick) this.listen(onPick, onHover);
  }

  listen(onPick, onHover) {
    const indexAt = (event) => {
      const box = this.svg.getBoundingClientRect();
      const share = (event.clientX - box.left) / Math.max(1, box.width);
      return clamp(Math.round(share * this.length), 0, this.length);
    };
    this.svg.addEventListener("click", (event) => onPick(indexAt(event)));
    this.svg.addEventListener("pointermove", (event) => onHover(indexAt(event)));
    this.svg.addEventListener("pointerleave", () => onHover(null));
  }

  setLength(maxNewTokens) {
    this.length = Math.max(1, maxNewTokens - 1);
    this.svg.setAttribute("viewBox", `0 0 ${this.length} ${SPARK_HEIGHT}`);
  }

  draw(tokens, loops) {
    if (tokens.length - 1 > this.length) this.setLength(tokens.length);
    const path = pathOf(tokens, (token) => token.h, PALETTE.tops.entropy, SPARK_HEIGHT);
    this.line.setAttribute("d", path);
    const floor = `L${Math.max(0, tokens.length - 1)} ${SPARK_HEIGHT}L0 ${SPARK_HEIGHT}Z`;
    this.area.setAttribute("d", path ? path + floor : "");
    this.loops.replaceChildren(
      ...loops.map((loop) =>
        makeSvg("rect", {
          x: loop.onset,
          y: 0,
          width: Math.max(1, Math.round(loop.period * loop.copies) - 1),
          height: SPARK_HEIGHT,
        }),
      ),
    );
  }

  place(line, index) {
    line.classList.toggle("gx-on", index !== null && index !== undefined);
    if (index === null || index === undefined) return;
    line.setAttribute("x1", index);
    line.setAttribute("x2", index);
  }

  showCursor(index) {
    this.place(this.cursor, index);
  }

  showPin(index) {
    this.place(this.pin, index);
  }
}
