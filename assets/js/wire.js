// The run as the page holds it, fed from the append-only NDJSON string (docs/wire.md).

/** What one `feed` changed, so that drawing touches nothing else. */
function noChanges() {
  return { fresh: false, header: false, lanes: new Map(), any: false };
}

function newLane(info) {
  return { ...info, tokens: [], loops: [], metrics: null, end: null, tree: null };
}

/** What a value is a part of; a whole run is known by its first line, which holds its id. */
function openPart(text) {
  const end = text.indexOf("\n");
  const first = end === -1 ? text : text.slice(0, end);
  if (!first.startsWith('{"part":')) return { id: first, from: 0, start: 0 };
  const { part, from } = JSON.parse(first);
  return { id: part, from, start: end + 1 };
}

function skipLines(text, start, count) {
  let at = start;
  for (let line = 0; line < count; line += 1) {
    const end = text.indexOf("\n", at);
    if (end === -1) return text.length;
    at = end + 1;
  }
  return at;
}

class Run {
  constructor() {
    this.clear();
  }

  clear() {
    this.id = null;
    this.from = 0; // lines of the run in front of the latest value
    this.at = 0; // where reading goes on in the latest value
    this.read = 0; // lines of the run that were read
    this.header = null;
    this.lanes = [];
    this.progress = null;
    this.error = null;
    this.done = null;
    this.closed = false;
  }

  /** True while tokens may still come. */
  get running() {
    return this.read > 0 && !this.done && !this.error && !this.closed;
  }

  /**
   * Reads the lines of `value` that it has not read yet. The value is a run from its first line
   * on, or a part of it under a line {"part": run, "from": lines in front}. A part that leaves a
   * gap is passed over: the last one always begins at the first line.
   */
  feed(value) {
    const changes = noChanges();
    const text = value || "";
    const { id, from, start } = openPart(text);
    if (id !== this.id) {
      if (from > 0) return changes;
      this.clear();
      this.id = id;
      this.at = start;
      changes.fresh = true;
    } else if (from > this.read) {
      return changes;
    } else if (from !== this.from) {
      this.at = skipLines(text, start, this.read - from);
    }
    this.from = from;
    // A line without its end may still be arriving: it is read when it is whole.
    let end = text.indexOf("\n", this.at);
    while (end !== -1) {
      this.readLine(text.slice(this.at, end), changes);
      this.read += 1;
      this.at = end + 1;
      end = text.indexOf("\n", this.at);
    }
    return changes;
  }

  readLine(line, changes) {
    if (line.trim() === "") return;
    let entry;
    try {
      entry = JSON.parse(line);
    } catch {
      console.warn("Explorer: a line of the run could not be read and was left out.");
      return;
    }
    changes.any = true;
    if (entry.run !== undefined) this.readHeader(entry, changes);
    else if (entry.l !== undefined) this.readLaneLine(entry, changes);
    else if (entry.progress) this.progress = entry.progress;
    else if (entry.error) this.error = entry.error;
    else if (entry.done) this.done = entry;
  }

  readHeader(entry, changes) {
    this.header = entry;
    this.lanes = (entry.lanes || []).map(newLane);
    this.error = null;
    this.done = null;
    changes.header = true;
  }

  readLaneLine(entry, changes) {
    const lane = this.lanes[entry.l];
    if (!lane) return;
    const change = changes.lanes.get(entry.l) || { from: lane.tokens.length, loops: false };
    changes.lanes.set(entry.l, change);
    if (entry.t !== undefined) {
      this.progress = null;
      lane.tokens.push(entry);
    } else if (entry.cut !== undefined) {
      lane.tokens.length = Math.min(lane.tokens.length, entry.cut);
      change.from = Math.min(change.from, entry.cut);
    } else if (entry.tree) {
      lane.tree = lane.tree || new RowTree();
      lane.tree.add(entry.tree);
    } else if (entry.loops) {
      lane.loops = entry.loops;
      change.loops = true;
    } else if (entry.metrics) {
      lane.metrics = entry.metrics;
    } else if (entry.end !== undefined) {
      lane.end = entry.end;
    }
  }
}

/**
 * The alternatives of one token as rows for the bars, likeliest under p first, and what is left.
 * The token itself is always among them.
 */
function alternativesOf(token) {
  const rows = [...(token.a || []), ...(token.e || [])].map(([id, piece, logP, logQ]) => ({
    id,
    piece,
    p: probabilityOf(logP),
    q: probabilityOf(logQ),
    cut: logQ === null,
    chosen: id === token.t,
  }));
  if (!rows.some((row) => row.chosen)) {
    rows.push({
      id: token.t,
      piece: token.x,
      p: probabilityOfSurprisal(token.s),
      q: probabilityOfSurprisal(token.qs),
      cut: token.qs === null,
      chosen: true,
    });
  }
  rows.sort((one, other) => other.p - one.p);
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const rest = (key) => Math.max(0, 1 - sum(key));
  return { rows, others: { p: rest("p"), q: rest("q") } };
}
