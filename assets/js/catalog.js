// Method specs: "name:param=value,param=value+name…" to stages and back, and the words for them.

// A "+" opens a new stage only where a name follows: "1e+5" stays one number.
const STAGE_BREAK = /\+(?=[a-z][a-z0-9_]*(?:[:+]|$))/;

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
    const parts = spec.trim().split(STAGE_BREAK);
    if (parts[0] === "") throw new Error("Write a method's name, for example nucleus:p=0.95.");
    const stages = parts.map((part) => this.parseStage(part.trim()));
    const names = stages.map((stage) => stage.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice) throw new Error(`${twice} stands twice: keep one of the two, or use two lanes.`);
    const early = stages.slice(0, -1).find((stage) => this.isChooser(stage.name));
    if (early) throw new Error(`${early.name} chooses the token: it can only be the last stage.`);
    return stages;
  }

  parseStage(part) {
    const [name, rest] = [part.split(":", 1)[0], part.slice(part.indexOf(":") + 1)];
    const entry = this.get(name);
    if (!entry && this.entries.length > 0) {
      const near = this.nearest(name, this.byName.keys()).join(", ");
      throw new Error(`There is no method “${name}”. Did you mean ${near}?`);
    }
    const stage = this.stage(name);
    if (!part.includes(":")) return stage;
    for (const pair of rest.split(",")) {
      const [key, value] = pair.split("=").map((side) => side.trim());
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
        const pairs = Object.entries(stage.params).map(([key, value]) => `${key}=${value}`);
        return pairs.length ? `${stage.name}:${pairs.join(",")}` : stage.name;
      })
      .join("+");
  }

  /** A spec in words, as the run's own title will say it: "nucleus p=0.95". */
  title(stages) {
    const words = (stage) => {
      const entry = this.get(stage.name);
      const name = (entry && entry.title) || stage.name.replace(/_/g, " ");
      const pairs = Object.entries(stage.params);
      if (pairs.length === 1 && pairs[0][0] === stage.name) return `${name} ${pairs[0][1]}`;
      return [name, ...pairs.map(([key, value]) => `${key}=${value}`)].join(" ");
    };
    return stages.map(words).join(" + ");
  }

  summary(stages) {
    const last = this.get(stages[stages.length - 1].name);
    if (!last) return { text: "", paper: "", lookFor: "" };
    return { text: last.summary || "", paper: last.paper || "", lookFor: last.look_for || "" };
  }
}

