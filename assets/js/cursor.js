// Where the reader is: pinned tokens, the index under the pointer, and the keys that move them.

// Pixels kept free around a token that is brought into view: about half a line.
const REVEAL_MARGIN = 12;

class Cursor {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.pins = []; // {lane, index}: the last one is the one that keys move
    this.marked = [];
    this.tabStop = null;
  }

  get last() {
    return this.pins[this.pins.length - 1];
  }

  pin(lane, index, second = false) {
    if (!lane.run || !lane.run.tokens[index]) return;
    const pin = { lane, index };
    if (second && this.pins.length > 0) this.pins = [this.pins[0], pin];
    else this.pins = [pin];
    this.show();
    const token = lane.run.tokens[index];
    this.stage.onToken({ lane: lane.index, index, token_id: token.t });
  }

  unpin(pin) {
    this.pins = pin ? this.pins.filter((one) => one !== pin) : [];
    this.show();
  }

  /** Drops pins whose token is gone: a fresh run, a removed lane, a cut beam. */
  prune() {
    const lanes = this.stage.lanes;
    const kept = this.pins.filter(({ lane, index }) => lanes.includes(lane) && lane.spans[index]);
    const changed = kept.length !== this.pins.length;
    this.pins = kept;
    if (changed) this.show();
  }

  show() {
    for (const span of this.marked) {
      span.classList.remove("gx-at", "gx-pinned");
      span.removeAttribute("aria-selected");
    }
    this.marked = [];
    const index = this.last ? this.last.index : null;
    for (const lane of this.stage.lanes) {
      lane.spark.showPin(index);
      if (index !== null && lane.spans[index]) this.mark(lane.spans[index], "gx-at");
    }
    for (const pin of this.pins) {
      const span = pin.lane.spans[pin.index];
      this.mark(span, "gx-pinned");
      span.setAttribute("aria-selected", "true");
    }
    this.stage.showPins(this.pins);
    if (this.last) this.setTabStop(this.last.lane.spans[this.last.index]);
  }

  mark(span, name) {
    span.classList.add(name);
    this.marked.push(span);
  }

  /** Roving tabindex: one token of the page is in the tab order. */
  setTabStop(span) {
    if (this.tabStop === span) return;
    if (this.tabStop) this.tabStop.tabIndex = -1;
    this.tabStop = span;
    if (span) span.tabIndex = 0;
  }

  ensureTabStop() {
    if (this.tabStop && this.tabStop.isConnected) return;
    const lane = this.stage.lanes.find((candidate) => candidate.spans.length > 0);
    this.setTabStop(lane ? lane.spans[0] : null);
  }

  hover(index) {
    for (const lane of this.stage.lanes) lane.spark.showCursor(index);
    if (this.stage.chart) this.stage.chart.showCursor(index);
  }

  /** Brings the tokens at an index into view inside their lanes; the page itself stays. */
  reveal(index) {
    for (const lane of this.stage.lanes) {
      const span = lane.spans[index];
      if (!span) continue;
      const { scroll } = lane;
      const above = span.offsetTop - REVEAL_MARGIN;
      const below = span.offsetTop + span.offsetHeight + REVEAL_MARGIN;
      if (above < scroll.scrollTop) scroll.scrollTop = above;
      else if (below > scroll.scrollTop + scroll.clientHeight) {
        scroll.scrollTop = below - scroll.clientHeight;
      }
      lane.noteScroll();
    }
  }

  /** Handles a movement key; returns whether it did. */
  move(key, from) {
    const start = from || this.last;
    if (!start) return false;
    const lanes = this.stage.lanes.filter((lane) => lane.spans.length > 0);
    let { lane, index } = start;
    const longest = Math.max(...lanes.map((candidate) => candidate.spans.length)) - 1;
    if (key === "ArrowRight") index = this.last ? index + 1 : index;
    else if (key === "ArrowLeft") index = this.last ? index - 1 : index;
    else if (key === "Home") index = 0;
    else if (key === "End") index = lane.spans.length - 1;
    else if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : -1;
      const place = lanes.indexOf(lane);
      lane = lanes[(place + step + lanes.length) % lanes.length];
    } else return false;
    index = clamp(index, 0, longest);
    // A lane that ended earlier has no token there: the pin rests on its last one.
    this.pin(lane, Math.min(index, lane.spans.length - 1), this.pins.length > 1);
    this.reveal(index);
    return true;
  }
}

const TYPING = "input, textarea, select, [contenteditable='true']";

/** Keys of the whole page: Ctrl+Enter runs, Escape stops and then unpins, arrows walk. */
function listenToKeys(stage) {
  const handle = (event) => {
    if (!stage.root.isConnected) {
      document.removeEventListener("keydown", handle, true);
      return;
    }
    // Of several pages one is seen, and only that one listens.
    if (stage.root.offsetParent === null) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      stage.requestRun();
    } else if (event.key === "Escape") {
      handleEscape(stage);
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey) {
      handleMove(stage, event);
    }
  };
  document.addEventListener("keydown", handle, true);
}

function handleEscape(stage) {
  const editing = stage.lanes.find(
    (lane) => lane.editor && lane.editor.root.contains(document.activeElement),
  );
  stage.card.hide();
  if (stage.busy) stage.requestStop();
  else if (editing && !editing.editor.escape()) editing.toggleEditor(false);
  else if (editing) return;
  else stage.cursor.unpin();
}

function handleMove(stage, event) {
  const target = event.target instanceof Element ? event.target : document.body;
  const token = target.closest(".gx-token");
  const inStage = Boolean(token) || target === document.body || target.closest(".gx-lanes, .gx-inspector");
  if (!inStage || (target.matches && target.matches(TYPING)) || target.closest(".gx-editor")) return;
  const here = token ? stage.locate(token) : null;
  if (here && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    stage.cursor.pin(here.lane, here.index, event.shiftKey);
    return;
  }
  if (stage.cursor.move(event.key, stage.cursor.last ? null : here)) {
    event.preventDefault();
    const { lane, index } = stage.cursor.last;
    stage.showLane(lane);
    if (here) lane.spans[index].focus({ preventScroll: true });
  }
}

/** Clicks pin, hovering tells, focus walks, swipes change the lane on a phone. */
function listenToPointers(stage) {
  const { grid } = stage;
  grid.addEventListener("click", (event) => {
    const here = stage.locate(event.target);
    if (!here) return;
    stage.cursor.pin(here.lane, here.index, event.ctrlKey || event.metaKey);
    // The inspector now says all of it: the card would only cover the text.
    stage.card.hide();
  });
  grid.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch") stage.hover(event.target);
  });
  grid.addEventListener("pointerleave", () => stage.hover(null));
  grid.addEventListener("focusin", (event) => {
    const here = stage.locate(event.target);
    if (!here) return;
    const token = here.lane.run.tokens[here.index];
    event.target.setAttribute("aria-label", describeToken(token, here.index));
    stage.cursor.setTabStop(event.target);
    const isPinned = stage.cursor.pins.some((pin) => pin.lane === here.lane && pin.index === here.index);
    if (!isPinned && event.target.matches(":focus-visible")) stage.hover(event.target);
  });
  grid.addEventListener("focusout", () => stage.hover(null));
  listenToSwipes(grid, (step) => stage.swipe(step));
}
