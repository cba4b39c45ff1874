// The pinned point: what it says, why that is no sentence, what lies near, and its coordinates.

class PointPanel {
  /** @param {LatentPage} page */
  constructor(page) {
    this.page = page;
    this.words = make("div", { "aria-live": "polite" });
    this.sliders = make("div", {});
    this.nearest = make("div", {});
    this.root = make("section", { class: "gx-point", "aria-label": "Pinned point" }, this.words, this.sliders, this.nearest);
    this.empty();
  }

  empty() {
    this.words.replaceChildren(make("p", { class: "gx-soft", text: "Click the map to read a point." }));
    this.sliders.replaceChildren();
    this.nearest.replaceChildren();
  }

  /** @param {object} found answer to "point", or to "trip" */
  show(found) {
    this.refresh(found);
    this.sliders.replaceChildren(this.coordinates(found));
  }

  /** A new reading while a slider is held: the sliders stay as they are. */
  refresh(found) {
    const facts = [plural(found.words, this.page.world.prompt === null ? "word" : "token"), bitsOf(found)].filter(Boolean);
    if (found.valid !== null && found.valid !== undefined) facts.unshift(found.valid ? `valid: ${found.rule || found.kind}` : "not valid");
    if (found.novel !== null) facts.push(found.novel ? "novel" : "among the sentences trained on");
    if (found.ended === false) facts.push("cut off: no end came");
    const parts = [
      make("p", { class: `gx-here${found.valid === false ? " gx-bad" : ""}`, text: found.text || "(nothing)" }),
      make("p", { class: "gx-soft", text: facts.join(" · ") }),
    ];
    if (found.why) parts.push(make("p", { class: "gx-why", text: found.why }));
    this.words.replaceChildren(...parts);
    const some = found.neighbours && found.neighbours.length > 0;
    this.nearest.replaceChildren(...(some ? [this.near(found.neighbours)] : []));
  }

  near(neighbours) {
    const items = neighbours.map((row) =>
      make(
        "li",
        {},
        make(
          "button",
          { class: "gx-sentence", type: "button", onclick: () => this.page.pickPoint(row.index) },
          make("span", { class: row.valid === false ? "gx-bad" : "", text: row.text || "(nothing)" }),
          make("span", { class: "gx-soft", text: `${row.distance.toPrecision(2)} away` }),
        ),
      ),
    );
    return make("div", {}, make("h4", { text: "Nearest in the sample" }), make("ol", { class: "gx-sentences gx-few" }, ...items));
  }

  /** One slider a dimension; moving it reads the point anew. */
  coordinates({ point }) {
    const isOpen = this.details ? this.details.open : point.length <= 2;
    const { low, high } = this.page.bounds(point);
    const rows = point.map((value, k) => {
      const said = make("output", { text: value.toFixed(4) });
      const slider = make("input", {
        type: "range",
        class: "gx-slider",
        min: low[k],
        max: high[k],
        step: (high[k] - low[k]) / 1000,
        value,
        "aria-label": `Dimension ${k + 1}`,
        oninput: () => {
          point[k] = Number(slider.value);
          setText(said, point[k].toFixed(4));
          this.page.nudge([...point]);
        },
      });
      return make("label", { class: "gx-axis" }, make("span", { text: `z${k + 1}` }), slider, said);
    });
    const box = make("div", { class: "gx-axes" }, ...rows);
    this.details = make("details", {}, make("summary", { text: `Coordinates: ${plural(point.length, "slider")}` }), box);
    this.details.open = isOpen;
    return this.details;
  }
}
