// The two laws a token stood under, as paired bars; and the card that shows them on hover.

const HOVER_ROWS = 6;

function makeBar(law, probability, cut) {
  const bar = make("span", { class: `gx-bar gx-bar-${law}` });
  bar.style.setProperty("--gx-share", `${clamp(probability * 100, 0, 100).toFixed(2)}%`);
  const text = cut ? "cut" : formatPercent(probability);
  return [bar, make("span", { class: `gx-bar-number${cut ? " gx-cut-word" : ""}`, text })];
}

function makeBarRow(row, onFork = null) {
  const classes = ["gx-bar-row"];
  if (row.cut) classes.push("gx-cut");
  if (row.chosen) classes.push("gx-chosen");
  const piece = make("span", { class: "gx-bar-piece", dir: "auto", title: `token id ${row.id}` });
  piece.textContent = quotePiece(row.piece);
  return make(
    "div",
    { class: classes.join(" "), role: "row" },
    make("span", { class: "gx-bar-mark", text: row.chosen ? "▸" : "", "aria-label": row.chosen ? "chosen" : undefined }),
    piece,
    ...makeBar("p", row.p, false),
    ...makeBar("q", row.q, row.cut),
    onFork && makeFork(row, onFork),
  );
}

/** A button that goes on with this token in place of the one that was taken. */
function makeFork(row, onFork) {
  const label = `Fork here with “${quotePiece(row.piece)}”`;
  return make("button", { class: "gx-button gx-quiet gx-fork", type: "button", text: "fork", title: label, "aria-label": label, onclick: () => onFork(row.id) });
}

/** Paired bars of a token's alternatives in rank order, and what all other tokens hold. */
function makeBars(token, limit = Infinity, onFork = null) {
  const { rows, others } = alternativesOf(token);
  let shown = rows.slice(0, limit);
  const chosen = rows.find((row) => row.chosen);
  if (!shown.includes(chosen)) shown = [...shown.slice(0, -1), chosen];
  const hidden = rows.filter((row) => !shown.includes(row));
  const rest = (law) => others[law] + hidden.reduce((total, row) => total + row[law], 0);
  const head = make(
    "div",
    { class: "gx-bar-row gx-bar-head", role: "row" },
    make("span", {}),
    make("span", { text: "token" }),
    make("span", { class: "gx-law-p", text: "p model law" }),
    make("span", {}),
    make("span", { class: "gx-law-q", text: "q sampling law" }),
    make("span", {}),
  );
  const tail = make(
    "div",
    { class: "gx-bar-row gx-others", role: "row" },
    make("span", {}),
    make("span", { class: "gx-bar-piece", text: "others" }),
    ...makeBar("p", rest("p"), false),
    ...makeBar("q", rest("q"), false),
  );
  return make(
    "div",
    { class: onFork ? "gx-bars gx-forkable" : "gx-bars", role: "table", "aria-label": "Alternatives under p and q" },
    head,
    ...shown.map((row) => makeBarRow(row, onFork)),
    tail,
  );
}

function writeQuoted(element, piece) {
  element.textContent = `“${quotePiece(piece)}”`;
}

/** A card that floats beside what the pointer or the focus is on; it never takes a click. */
class HoverCard {
  constructor() {
    this.root = make("div", { class: "gx-card", role: "tooltip" });
  }

  /** Gradio scopes nothing, so the card may live on the body and is clipped by no lane. */
  attach(parent) {
    parent.append(this.root);
  }

  showToken(anchor, token, index) {
    const piece = make("strong", { class: "gx-card-piece", dir: "auto" });
    writeQuoted(piece, token.x);
    const facts = [
      ["p", formatPercent(probabilityOfSurprisal(token.s))],
      ["surprisal", formatBits(token.s)],
      ["rank", formatCount(token.r)],
      ["entropy", formatBits(token.h)],
      ["q", formatPercent(probabilityOfSurprisal(token.qs))],
      ["support", formatCount(token.n)],
    ];
    const list = make("dl", { class: "gx-card-facts" });
    for (const [name, value] of facts) {
      list.append(make("div", {}, make("dt", { text: name }), make("dd", { text: value })));
    }
    this.root.replaceChildren(
      make("div", { class: "gx-card-head" }, piece, make("span", { text: `token ${index}` })),
      list,
      makeBars(token, HOVER_ROWS),
    );
    this.place(anchor);
  }

  showMethod(anchor, about) {
    this.root.replaceChildren(
      make("strong", { class: "gx-card-title", text: about.title }),
      about.text ? make("p", { text: about.text }) : "",
      about.paper ? make("p", { class: "gx-card-paper", text: about.paper }) : "",
      ...about.muted.map((sentence) => make("p", { class: "gx-warn", text: sentence })),
      make("code", { text: about.spec }),
    );
    this.place(anchor);
  }

  place(anchor) {
    this.root.classList.add("gx-on");
    const box = anchor.getClientRects()[0] || anchor.getBoundingClientRect();
    const card = this.root.getBoundingClientRect();
    const gap = 8;
    const below = box.bottom + gap + card.height < window.innerHeight;
    const top = below ? box.bottom + gap : Math.max(gap, box.top - gap - card.height);
    const left = clamp(box.left, gap, Math.max(gap, window.innerWidth - card.width - gap));
    this.root.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.root.classList.remove("gx-on");
  }
}
