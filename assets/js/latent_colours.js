// How sentences of a latent space are coloured: by what they are, or by one of their facts.

const LATENT_COLOURS = [
  ["sentence", "sentence"],
  ["valid", "validity"],
  ["novel", "novelty"],
  ["words", "length"],
  ["bits", "surprisal"],
  ["kind", "type"],
];
// Upper ends of the two ramps: words of a sentence, and bits of one.
const LATENT_TOPS = { words: 20, bits: 80 };
const NO_COLOUR = "#8F949C";

/** The same colour for the same text; hues far apart for texts met one after the other. */
function hueOf(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return ((hash >>> 0) * 137.508) % 360;
}

class LatentColours {
  constructor() {
    this.by = memory.get("latent-colour", "sentence");
    this.dark = false;
  }

  setBy(by) {
    this.by = by;
    memory.set("latent-colour", by);
  }

  /** Reads the theme; call before drawing. */
  refresh() {
    this.dark = document.documentElement.classList.contains("dark") || document.body.classList.contains("dark");
  }

  /** @param {object|null} row facts of a sentence; null where there is none */
  of(row) {
    if (!row) return NO_COLOUR;
    if (this.by === "valid") return this.category(row.valid === null ? -1 : row.valid ? 2 : 4);
    if (this.by === "novel") return this.category(row.novel ? 0 : 1);
    if (this.by === "kind") return this.category({ statement: 0, question: 1 }[row.kind] ?? -1);
    if (this.by in LATENT_TOPS) return this.ramp(row[this.by], LATENT_TOPS[this.by]);
    return this.hue(hueOf(row.text));
  }

  /** A soft colour of a hue; `depth` makes nested ones tell apart. */
  hue(hue, depth = 0) {
    const step = (depth % 3) * 5;
    return this.dark ? `hsl(${hue} 38% ${34 - step}%)` : `hsl(${hue} 50% ${85 - step}%)`;
  }

  category(number) {
    return number < 0 ? NO_COLOUR : PALETTE.laneColours[number];
  }

  ramp(value, top) {
    if (!isNumber(value)) return NO_COLOUR;
    const share = clamp(value / top, 0, 1);
    return this.dark
      ? `hsl(${210 - 175 * share} 75% ${26 + 34 * share}%)`
      : `hsl(${210 - 175 * share} 78% ${86 - 38 * share}%)`;
  }

  /** What the colours mean, as pairs of a colour and a word. */
  legend(judged) {
    if (this.by === "valid") {
      if (!judged) return [[NO_COLOUR, "nothing judges this language"]];
      return [[this.category(2), "valid"], [this.category(4), "not valid"]];
    }
    if (this.by === "novel") return [[this.category(0), "novel"], [this.category(1), "trained on"]];
    if (this.by === "kind") {
      const kinds = [[this.category(0), "statement"], [this.category(1), "question"]];
      return judged ? [...kinds, [NO_COLOUR, "neither"]] : kinds;
    }
    if (this.by in LATENT_TOPS) {
      const top = LATENT_TOPS[this.by];
      const unit = this.by === "bits" ? "bits" : "words";
      const none = this.by === "bits" ? [[NO_COLOUR, "impossible"]] : [];
      return [...[0, 0.25, 0.5, 0.75, 1].map((x) => [this.ramp(x * top, top), x === 1 ? `${top} ${unit} or more` : `${x * top}`]), ...none];
    }
    return [];
  }
}
