// Places worth a look in a finished run: where lanes part, and each lane's most surprising token.

const MAX_FINDS = 6;

/** First index at which two lanes wrote different tokens, or null. */
function firstDivergence(one, other) {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index += 1) {
    if (one[index].t !== other[index].t) return index;
  }
  return one.length === other.length ? null : length;
}

function mostSurprising(tokens) {
  let best = null;
  tokens.forEach((token, index) => {
    if (!isNumber(token.s) || token.z) return;
    if (best === null || token.s > tokens[best].s) best = index;
  });
  return best;
}

/**
 * @param {Lane[]} lanes those that have a run
 * @returns {Array<{lane: Lane, index: number, other: Lane|undefined, text: string}>}
 */
function placesToLook(lanes) {
  const finds = [];
  const [first, ...rest] = lanes;
  // Lanes that part at once, as independent draws do, are no find.
  for (const lane of rest) {
    const index = firstDivergence(first.run.tokens, lane.run.tokens);
    if (!index || !first.run.tokens[index] || !lane.run.tokens[index]) continue;
    const text = `parts from ${first.words()} at token ${index}: “${quotePiece(lane.run.tokens[index].x)}”`;
    finds.push({ lane, index, other: first, text: `${lane.words()} ${text}` });
  }
  for (const lane of lanes) {
    const index = mostSurprising(lane.run.tokens);
    if (index === null) continue;
    const token = lane.run.tokens[index];
    const text = `${lane.words()}, most surprising: “${quotePiece(token.x)}” at ${index}, ${formatBits(token.s)}`;
    finds.push({ lane, index, text });
  }
  return finds.slice(0, MAX_FINDS);
}
