// Phones show one lane at a time; this strip has all of them as sparklines.

class Strip {
  /** @param {function(number)} onPick told the place of the lane that was tapped */
  constructor(onPick) {
    this.onPick = onPick;
    this.tabs = [];
    this.root = make("div", { class: "gx-strip", role: "tablist", "aria-label": "Lanes" });
  }

  draw(lanes, active, header) {
    while (this.tabs.length > lanes.length) this.tabs.pop().root.remove();
    lanes.forEach((lane, index) => {
      const tab = this.tabs[index] || this.addTab(index);
      tab.root.setAttribute("aria-selected", lane === active ? "true" : "false");
      tab.root.style.setProperty("--gx-lane", laneColour(lane.colour));
      setText(tab.name, lane.words());
      if (!lane.run) return;
      tab.spark.setLength(header ? header.max_new_tokens : 128);
      tab.spark.draw(lane.run.tokens, lane.run.loops);
    });
  }

  addTab(index) {
    const spark = new Sparkline(null);
    const name = make("span", { class: "gx-tab-name" });
    const onclick = () => this.onPick(index);
    const root = make("button", { class: "gx-tab", type: "button", role: "tab", onclick }, name, spark.svg);
    this.root.append(root);
    const tab = { root, name, spark };
    this.tabs.push(tab);
    return tab;
  }

  reveal(index) {
    const tab = this.tabs[index];
    if (tab) tab.root.scrollIntoView({ block: "nearest", inline: "center" });
  }
}

const SWIPE_PIXELS = 48;

/** Sideways strokes of a finger; mostly vertical ones stay scrolling. */
function listenToSwipes(element, onSwipe) {
  let start = null;
  element.addEventListener("touchstart", (event) => (start = event.changedTouches[0]), { passive: true });
  element.addEventListener(
    "touchend",
    (event) => {
      if (!start) return;
      const end = event.changedTouches[0];
      const [dx, dy] = [end.clientX - start.clientX, end.clientY - start.clientY];
      if (Math.abs(dx) > SWIPE_PIXELS && Math.abs(dx) > 2 * Math.abs(dy)) onSwipe(dx < 0 ? 1 : -1);
      start = null;
    },
    { passive: true },
  );
}
