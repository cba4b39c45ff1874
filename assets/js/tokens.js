// Tokens as running text: one span each, only its background speaks.

const COLOUR_MODES = [
  {
    key: "surprisal",
    label: "Surprisal",
    help: "−log p of the token under the model's law p: how unexpected it was.",
    low: "0",
    high: `${PALETTE.tops.surprisal} bits`,
  },
  {
    key: "entropy",
    label: "Entropy",
    help: "H(p) of the law the token came from: how open the choice was.",
    low: "0",
    high: `${PALETTE.tops.entropy} bits`,
  },
  {
    key: "rank",
    label: "Rank",
    help: "How many tokens the model found likelier; rank 0, the likeliest, is uncoloured.",
  },
  {
    key: "sampling",
    label: "Sampling surprisal",
    help: "−log q under the sampling law q, after the method's processors.",
    low: "0",
    high: `${PALETTE.tops.sampling} bits`,
  },
  {
    key: "support",
    label: "Support size",
    help: "How many tokens the method could still choose from (q > 0), on a log scale.",
    low: "1",
    high: `${formatCount(2 ** PALETTE.tops.support)} tokens`,
  },
  {
    key: "loops",
    label: "Loops",
    help: "Stretches that repeat: a bracket in the margin, a tick where each copy begins.",
  },
];

function level(value, top) {
  if (value === null) return PALETTE.levels;
  if (!isNumber(value)) return 0;
  return clamp(Math.round((value / top) * PALETTE.levels), 0, PALETTE.levels);
}

function rankBin(rank) {
  if (!isNumber(rank) || rank < 1) return 0;
  const bin = PALETTE.rankBins.findIndex((edge) => rank <= edge);
  return bin === -1 ? PALETTE.rankBins.length + 1 : bin + 1;
}

const bitsOrForbidden = (nats) => (isNumber(nats) ? toBits(nats) : nats);

/** The classes of a token for every colour mode: changing the mode changes one attribute. */
function tokenClasses(token) {
  const levels = {
    surprisal: level(bitsOrForbidden(token.s), PALETTE.tops.surprisal),
    entropy: level(bitsOrForbidden(token.h), PALETTE.tops.entropy),
    sampling: level(bitsOrForbidden(token.qs), PALETTE.tops.sampling),
    support: level(isNumber(token.n) ? Math.log2(Math.max(1, token.n)) : 0, PALETTE.tops.support),
    rank: rankBin(token.r),
  };
  let classes = "gx-token";
  for (const [name, value] of Object.entries(levels)) {
    if (value > 0) classes += ` gx-${name}-${value}`;
  }
  if (token.b) classes += " gx-bytes";
  if (token.z) classes += " gx-special";
  return classes;
}

// Blanks that a reader would miss: lone, doubled, trailing; and every tab and line end.
const BLANKS = /\r\n|\n|\r|\t| {2,}| +$/g;
const BLANK_KINDS = { "\n": "newline", "\r": "newline", "\r\n": "newline", "\t": "tabstop" };

function appendBlank(element, blank) {
  const kind = BLANK_KINDS[blank];
  if (kind) {
    element.append(make("span", { class: `gx-blank gx-${kind}`, text: blank }));
    return;
  }
  for (const space of blank) element.append(make("span", { class: "gx-blank gx-space", text: space }));
}

/** Writes a piece into an element: text nodes, and faint glyphs (CSS) for blanks. */
function writePiece(element, piece) {
  if (piece === "") {
    element.append(make("span", { class: "gx-blank gx-empty" }));
    return;
  }
  BLANKS.lastIndex = 0;
  let written = 0;
  for (const match of piece.matchAll(BLANKS)) {
    if (match.index > written) element.append(piece.slice(written, match.index));
    appendBlank(element, match[0]);
    written = match.index + match[0].length;
  }
  if (written === 0) element.textContent = piece;
  else if (written < piece.length) element.append(piece.slice(written));
}

/**
 * The span of a token. A single space in front of a word stands outside it, as a text node of its
 * own (`gxSpace`): backgrounds then end with the line, and copied text keeps its spaces.
 */
function makeToken(token, index) {
  const span = document.createElement("span");
  span.className = tokenClasses(token);
  span.setAttribute("role", "option");
  span.tabIndex = -1;
  span.dataset.i = index;
  const spaced = /^ [^\s]/.test(token.x);
  span.gxSpace = spaced ? document.createTextNode(" ") : null;
  writePiece(span, spaced ? token.x.slice(1) : token.x);
  return span;
}

/** What a screen reader says of a token. */
function describeToken(token, index) {
  const p = formatPercent(probabilityOfSurprisal(token.s));
  return `${quotePiece(token.x)}, token ${index}, probability ${p}, ${formatBits(token.s)}, rank ${token.r}`;
}

/** Marks the copies of all loops on the spans of a lane; undoes what is no longer there. */
function markLoops(spans, loops, marked) {
  for (const span of marked) {
    span.classList.remove("gx-loop", "gx-copy-start", "gx-copy-odd");
  }
  marked.length = 0;
  for (const loop of loops) {
    const end = Math.min(spans.length, loop.onset + Math.round(loop.period * loop.copies));
    for (let index = loop.onset; index < end; index += 1) {
      const copy = Math.floor((index - loop.onset) / loop.period);
      const span = spans[index];
      span.classList.add("gx-loop");
      if ((index - loop.onset) % loop.period === 0) span.classList.add("gx-copy-start");
      if (copy % 2 === 1) span.classList.add("gx-copy-odd");
      marked.push(span);
    }
  }
}

/** The brackets in the margin, one a loop, from its first to its last line. */
function drawBrackets(layer, spans, loops) {
  layer.replaceChildren();
  for (const loop of loops) {
    const last = Math.min(spans.length, loop.onset + Math.round(loop.period * loop.copies)) - 1;
    const first = spans[loop.onset];
    if (!first || last < loop.onset) continue;
    const top = first.offsetTop;
    const bottom = spans[last].offsetTop + spans[last].offsetHeight;
    const bracket = make("span", { class: "gx-bracket", title: formatLoop(loop) });
    bracket.style.top = `${top}px`;
    bracket.style.height = `${bottom - top}px`;
    layer.append(bracket);
  }
}
