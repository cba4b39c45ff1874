// Method specs: "name:param=value,param=value+name…" to stages and back, and the words for them.

// The "+" of an exponent or a sign joins no stages: "1e+5" stays one number.
const BEFORE_NUMBER = /(?:[\d.][eE]|=)$/;
const NUMBER = /^[\d.]/;

/** A spec cut into its stages, as the server cuts it. */
function splitStages(spec) {
  const parts = [];
  for (const piece of splitOutsideQuotes(spec, "+")) {
    const last = parts.length - 1;
    if (last >= 0 && BEFORE_NUMBER.test(parts[last]) && NUMBER.test(piece)) parts[last] += `+${piece}`;
    else parts.push(piece);
  }
  return parts;
}

class Catalog {
  constructor(entries) {
    this.entries = (entries || []).map(withBounds);
    this.byName = new Map(this.entries.map((entry) => [entry.name, entry]));
  }

  get(name) {
    return this.byName.get(name);
  }

  get families() {
    const families = new Map();
    for (const entry of this.entries) {
      const family = entry.family || "other";
      if (!families.has(family)) families.set(family, []);
      families.get(family).push(entry);
    }
    return families;
  }

  isChooser(name) {
    const entry = this.get(name);
    return entry ? entry.kind === "chooser" : false;
  }

  /** The stage of a method with every parameter at its default. */
  stage(name) {
    const entry = this.get(name);
    const params = {};
    for (const param of entry ? entry.params : []) params[param.name] = param.default;
    return { name, params };
  }

  nearest(name, names) {
    const score = (other) => {
      const pairs = (word) => new Set([...word].map((_, i) => word.slice(i, i + 2)));
      const [ours, theirs] = [pairs(name), pairs(other)];
      return [...ours].filter((pair) => theirs.has(pair)).length / Math.max(ours.size, theirs.size);
    };
    return [...names].sort((one, other) => score(other) - score(one)).slice(0, 3);
  }

  /** Stages of a spec; throws an Error whose message says what to type instead. */
  parse(spec) {
    const parts = splitStages(spec.trim());
    if (parts[0].trim() === "") throw new Error("Write a method's name, for example nucleus:p=0.95.");
    const stages = parts.map((part) => this.parseStage(part.trim()));
    const names = stages.map((stage) => stage.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice) throw new Error(`${twice} stands twice: keep one of the two, or use two lanes.`);
    const conflict = conflictOf(this, stages);
    if (conflict) throw new Error(conflict);
    const early = stages.slice(0, -1).find((stage) => this.isChooser(stage.name));
    if (early) throw new Error(`${early.name} chooses the token: it can only be the last stage.`);
    return stages;
  }

  parseStage(part) {
    const name = part.split(":", 1)[0].trim();
    const rest = part.slice(part.indexOf(":") + 1);
    const entry = this.get(name);
    if (!entry && this.entries.length > 0) {
      const known = this.entries.find((candidate) => (candidate.aliases || []).includes(name.toLowerCase()));
      const near = known ? known.name : this.nearest(name, this.byName.keys()).join(", ");
      throw new Error(`There is no method “${name}”. Did you mean ${near}?`);
    }
    const stage = this.stage(name);
    if (!part.includes(":")) return stage;
    for (const pair of splitOutsideQuotes(rest, ",")) {
      const equals = pair.indexOf("=");
      const key = (equals === -1 ? pair : pair.slice(0, equals)).trim();
      const value = equals === -1 ? undefined : pair.slice(equals + 1).trim();
      if (key === "" && value === undefined) continue;
      const param = entry && entry.params.find((candidate) => candidate.name === key);
      if (entry && !param) {
        const names = entry.params.map((candidate) => candidate.name).join(", ") || "none";
        throw new Error(`${name} has no parameter “${key}”. Its parameters: ${names}.`);
      }
      stage.params[key] = param ? this.parseValue(name, param, value) : value;
    }
    return stage;
  }

  parseValue(name, param, text) {
    if (text === undefined || text === "") throw new Error(`${name}: ${param.name} needs a value.`);
    if (param.type === "text") {
      const words = unquoteText(text);
      const problem = tooLong(param, words);
      if (problem) throw new Error(`${name}: ${param.name} ${problem}.`);
      return words;
    }
    if (param.type === "bool") return text === "true" || text === "True" || text === "1";
    if (param.type === "choice") {
      if (param.choices.map(String).includes(text)) return text;
      throw new Error(`${name}: ${param.name} is one of ${param.choices.join(", ")}.`);
    }
    const value = Number(text);
    if (!Number.isFinite(value) || (param.type === "int" && !Number.isInteger(value))) {
      const kind = param.type === "int" ? "a whole number" : "a number";
      throw new Error(`${name}: ${param.name}=${text} is not ${kind}.`);
    }
    const problem = outOfBounds(param, value);
    if (problem) throw new Error(`${name}: ${param.name}=${text} ${problem}.`);
    return value;
  }

  /** The canonical spec: every parameter written out. */
  format(stages) {
    return stages
      .map((stage) => {
        const pairs = Object.entries(stage.params).map(
          ([key, value]) => `${key}=${this.writeValue(stage.name, key, value)}`,
        );
        return pairs.length ? `${stage.name}:${pairs.join(",")}` : stage.name;
      })
      .join("+");
  }

  /** A value as it stands in a spec: texts quoted, numbers in the server's spelling. */
  writeValue(name, key, value) {
    const entry = this.get(name);
    const param = entry && entry.params.find((candidate) => candidate.name === key);
    if (param && param.type === "text") return quoteText(value);
    return this.writeShort(value);
  }

  /** A value without quotes, for a sentence. */
  writeShort(value) {
    return isNumber(value) ? writeNumber(value) : String(value);
  }

  /** A spec in words, as the run's own title will say it: "nucleus p=0.95". */
  title(stages) {
    const words = (stage) => {
      const entry = this.get(stage.name);
      const name = (entry && entry.title) || stage.name.replace(/_/g, " ");
      const pairs = Object.entries(stage.params);
      const written = ([key, value]) => this.writeValue(stage.name, key, value);
      if (pairs.length === 1 && pairs[0][0] === stage.name) return `${name} ${written(pairs[0])}`;
      return [name, ...pairs.map((pair) => `${pair[0]}=${written(pair)}`)].join(" ");
    };
    return stages.map(words).join(" + ");
  }

  summary(stages) {
    const last = this.get(stages[stages.length - 1].name);
    if (!last) return { text: "", paper: "", lookFor: "" };
    return { text: last.summary || "", paper: last.paper || "", lookFor: last.look_for || "" };
  }
}

