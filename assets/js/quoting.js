// Splitting a spec at its signs, but not inside a text in double quotes; numbers as specs write them.

const ESCAPES = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\" };
const WRITTEN = new Map(Object.entries(ESCAPES).map(([letter, meant]) => [meant, letter]));

/** The parts between the signs; throws an Error where a quote is opened and not closed. */
function splitOutsideQuotes(text, sign) {
  const parts = [];
  let [start, quoted, escaped] = [0, false, false];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (escaped) escaped = false;
    else if (quoted && letter === "\\") escaped = true;
    else if (letter === '"') quoted = !quoted;
    else if (letter === sign && !quoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (quoted) throw new Error('A quote is opened and not closed: texts stand in "double quotes".');
  return [...parts, text.slice(start)];
}

/** A text as it is written in a spec. */
function quoteText(text) {
  return `"${[...text].map((letter) => (WRITTEN.has(letter) ? `\\${WRITTEN.get(letter)}` : letter)).join("")}"`;
}

/** The text of a value: quotes and escapes undone; a value without quotes is itself. */
function unquoteText(value) {
  if (!value.startsWith('"')) return value;
  return value.slice(1, -1).replace(/\\([\s\S])/g, (whole, letter) => ESCAPES[letter] ?? whole);
}

/** A number as the server writes it, so that a spec has one spelling: 1, 0.95, 9e-05, 1e+16. */
function writeNumber(value) {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e16)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}
