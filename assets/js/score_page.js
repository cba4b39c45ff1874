// The Score page: what a model makes of a given text, and which methods could have written it.

const SCORE_EXAMPLES = [
  ["a story", "Once upon a time there was a little girl who lived near the forest. One day she found a red ball under a tree, and she took it home to show it to her mother."],
  ["a surprise", "The cat sat on the mat and quietly recited the second law of thermodynamics to the umbrella."],
  ["a loop", "He said that he was going to the shop. He said that he was going to the shop. He said that he was going to the shop."],
  ["code", "def add(a, b):\n    return a + b\n\nprint(add(2, 3))"],
];
const COULD_SPECS = ["nucleus:p=0.9", "top_k:k=40", "min_p:p=0.1", "locally_typical:mass=0.95"];
const ALONE = ["top_k", "nucleus", "min_p", "locally_typical", "epsilon"];
const ADMIT_RULES = {
  top_k: (x) => `top-k k ≥ ${formatCount(x)}`,
  nucleus: (x) => `nucleus p > ${x.toFixed(4)}`,
  min_p: (x) => `min-p p ≤ ${x.toPrecision(2)}`,
  locally_typical: (x) => `typical mass > ${x.toFixed(4)}`,
  epsilon: (x) => `epsilon ε ≤ ${x.toPrecision(2)}`,
  eta: (x) => `eta ε ≤ ${x.toPrecision(2)}`,
  top_a: (x) => `top-a a ≤ ${Math.min(1, x).toPrecision(2)}`,
  top_n_sigma: (x) => `top-n-sigma n ≥ ${x.toFixed(2)}`,
};
const admitRule = (name, value) => ADMIT_RULES[name](value);
const SPARK = { width: 640, height: 90 };

class ScorePage {
  /** @param {Element} root @param {{catalog: Array<object>}} config */
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.bridge = bridgeOf("score");
    this.build();
  }

  build() {
    this.root.classList.add("gx", "gx-score");
    this.text = make("textarea", { class: "gx-input gx-area", rows: 6, "aria-label": "Text to score", placeholder: "Paste a text: of a person or of a machine." });
    this.before = textBox("what stands before it (read, not scored)", "");
    this.go = make("button", { class: "gx-button gx-primary", type: "button", text: "Score", onclick: () => this.score() });
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.score();
    });
    this.file = make("input", { type: "file", accept: ".txt,.md,text/plain", "aria-label": "or a file: open a text file", onchange: () => this.read() });
    const tries = SCORE_EXAMPLES.map(([name, text]) => make("button", { class: "gx-button gx-quiet", type: "button", text: name, onclick: () => {
      this.text.value = text;
      this.score();
    } }));
    this.say = make("p", { class: "gx-soft", role: "status", text: "Every token is coloured by its surprisal under the model in the header, as if it had to write this text." });
    this.stageSlot = make("div", {});
    this.profileSlot = make("div", { class: "gx-profile" });
    this.tools = make("div", { class: "gx-bench", hidden: true }, this.buildCould(), make("div", {}, this.buildProbe(), this.buildParity()));
    this.root.replaceChildren(
      this.text,
      make("div", { class: "gx-fields" }, this.before, this.go, make("label", { class: "gx-labelled" }, make("span", { text: "or a file" }), this.file)),
      make("div", { class: "gx-row" }, make("span", { class: "gx-soft", text: "Try:" }), ...tries),
      this.say,
      this.stageSlot,
      this.tools,
      this.profileSlot,
    );
  }

  async read() {
    const file = this.file.files[0];
    if (!file) return;
    if (file.size > 400000) {
      showProblem(this.say, { message: `${file.name} is larger than 400 kB.`, hint: "Cut it." });
      return;
    }
    this.text.value = await file.text();
    this.score();
  }

  async score() {
    this.go.disabled = true;
    showWords(this.say, "Reading the text…");
    const found = await this.bridge.ask({ ask: "score", text: this.text.value, before: fieldOf(this.before).value, model: currentModel() });
    this.go.disabled = false;
    if (!found) return;
    if (found.error) {
      showProblem(this.say, found.error);
      return;
    }
    this.found = found;
    const { surprise, tokens } = found.profile;
    const windows = found.windows ? ` It was read by windows of ${formatCount(found.windows[0])} tokens, ${formatCount(found.windows[1])} further each time.` : "";
    showWords(this.say, `${plural(tokens, "token")} · perplexity ${Math.exp(surprise.log_perplexity).toFixed(2)} · ${formatBits(surprise.log_perplexity)} a token.${windows}`);
    this.drawStage(found.ndjson);
    this.drawProfile(found.profile);
    this.tools.hidden = false;
    this.couldOut.replaceChildren();
    this.probeOut.replaceChildren();
    this.parityOut.replaceChildren();
  }

  drawStage(ndjson) {
    const root = make("div", {});
    this.stageSlot.replaceChildren(root);
    this.stage = new Stage(root, { catalog: this.config.catalog, readOnly: true, chart: false, value: ndjson });
    this.stage.update(ndjson);
    this.stage.flush();
  }

  pinToken(index) {
    const lane = this.stage && this.stage.lanes[0];
    if (!lane) return;
    this.stage.cursor.pin(lane, index);
    this.stage.cursor.reveal(index);
  }

  // The profile.

  drawProfile(profile) {
    const { surprise } = profile;
    const rows = [
      ["log-perplexity", formatBits(surprise.log_perplexity), "mean surprisal of the tokens"],
      ["mean entropy", formatBits(surprise.mean_entropy), "what the model expected its surprisal to be, on average"],
      ["statistic T", `${toBits(surprise.statistic).toFixed(2)} bits`, "mean entropy − log-perplexity: near 0 for text drawn from this model at temperature 1, above for its likelier tokens, below for other text"],
    ];
    if (isNumber(surprise.z)) rows.push(["z", surprise.z.toFixed(2), "the same, its sign turned, in standard deviations of text drawn from this model; it says how unlike the model's own the text is, and not who wrote it"]);
    const table = make("table", { class: "gx-shares" }, make("tbody", {}, ...rows.map(([name, value, about]) => make("tr", { title: about }, make("th", { scope: "row", text: name }), make("td", { text: value }), make("td", { class: "gx-soft", text: about })))));
    const charts = [
      this.histogram("rank of each token", profile.ranks, rankLabels(profile.ranks.edges)),
      this.histogram("probability over the likeliest token's, from … %", profile.shares, shareLabels(profile.shares.edges), shareNames(profile.shares.edges)),
      this.histogram("entropy, bits", profile.entropies, bitLabels(profile.entropies.edges)),
      this.sliding(profile.perplexity),
    ];
    this.profileSlot.replaceChildren(table, make("div", { class: "gx-charts" }, ...charts));
  }

  /** @param {Array<string>} names what a bar is called where there is room; else its label */
  histogram(title, { counts }, labels, names = labels) {
    const most = Math.max(1, ...counts);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const bars = counts.map((count, k) => {
      const bar = make("span", { class: "gx-column-bar" });
      bar.style.height = `${(100 * count) / most}%`;
      return make("div", { class: "gx-column", title: `${names[k]}: ${plural(count, "token")} (${formatPercent(count / Math.max(1, total))})` }, make("span", { class: "gx-column-count", text: count ? formatCount(count) : "" }), bar, make("span", { class: "gx-column-label", text: labels[k] }));
    });
    return make("figure", { class: "gx-figure gx-histogram" }, make("figcaption", { text: title }), make("div", { class: "gx-columns" }, ...bars));
  }

  sliding({ window: size, values }) {
    const caption = `perplexity over ${size} tokens`;
    if (values.length < 2) return make("figure", { class: "gx-figure" }, make("figcaption", { text: `${caption}: the text is shorter than that` }));
    return make("figure", { class: "gx-figure gx-histogram" }, make("figcaption", { text: `${caption}: ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}; click a place to see it` }), lineOf(values, (index) => this.pinToken(index)));
  }

  // Who could have written it.

  buildCould() {
    this.specs = make("textarea", { class: "gx-input gx-area", rows: 4, spellcheck: "false", "aria-label": "Methods, one a line" });
    this.specs.value = COULD_SPECS.join("\n");
    this.couldOut = make("div", {});
    const ask = make("button", { class: "gx-button", type: "button", text: "Ask", onclick: () => this.could(ask) });
    return make("section", {}, make("h4", { text: "Could these methods have written it?" }), this.specs, make("div", { class: "gx-row" }, ask, make("span", { class: "gx-soft", text: "one chain a line, as in lanes" })), this.couldOut);
  }

  async could(button) {
    button.disabled = true;
    const found = await this.bridge.ask({ ask: "could", specs: this.specs.value.split("\n") });
    button.disabled = false;
    if (!found) return;
    if (found.error) {
      const line = make("p", {});
      showProblem(line, found.error);
      this.couldOut.replaceChildren(line);
      return;
    }
    this.couldOut.replaceChildren(...found.chains.map((chain) => this.chain(chain)), this.alone(found));
  }

  /** What the usual truncations, alone on the model's law, must allow: for each token and for all. */
  alone({ needed, hardest }) {
    const rules = (one) => ALONE.map((name) => admitRule(name, one[name])).join(" · ");
    const strip = this.strip("What admits each token", needed.map((one) => [1 - one.nucleus, rules(one)]));
    return make("div", { class: "gx-verdict" }, make("strong", { text: "what admits each token, alone" }), strip, make("p", { class: "gx-soft", text: `To admit every token: ${rules(hardest)}` }));
  }

  /** A cell a token, [how strong, what is said of it]; none of a strength is a token that is cut. */
  strip(label, cells) {
    const strip = make("div", { class: "gx-strip-cells", role: "img", "aria-label": label });
    cells.forEach(([strength, words], index) => {
      const cell = make("span", { class: strength === null ? "gx-cell-cut" : "", title: `${index} “${quotePiece(this.found.pieces[index] || "")}”: ${words}`, onclick: () => this.pinToken(index) });
      if (strength !== null) cell.style.opacity = String(0.25 + 0.75 * strength);
      strip.append(cell);
    });
    return strip;
  }

  chain({ decoder, log_q: logq, first_impossible: first, total, missing, is_estimate: estimate, is_search: search, stages }) {
    const head = make("strong", { text: decoder });
    if (missing) return make("div", { class: "gx-verdict" }, head, make("p", { class: "gx-soft", text: `not asked: ${missing}` }));
    const piece = first === null ? "" : quotePiece(this.found.pieces[first] || "");
    const cut = search ? "it says another" : "is cut";
    const yes = search ? "yes: run as a search, it says this" : `yes: probability under its law q 2^−${toBits(-total).toFixed(1)}, ${(toBits(-total) / logq.length).toFixed(2)} bits a token${estimate ? " (an estimate over draws)" : ""}`;
    const words = first === null ? yes : `no: token ${first} “${piece}” ${search ? "is where it says another" : "is cut"}`;
    const rule = ({ name, values }, index) => (values[index] === null ? `cut before ${name}` : admitRule(name, values[index]));
    const strip = this.strip(`${decoder}: which tokens it allows`, logq.map((value, index) => [value === null ? null : Math.exp(value), [value === null ? cut : formatPercent(Math.exp(value)), ...stages.map((stage) => rule(stage, index))].join(" · ")]));
    const needs = stages.filter((stage) => stage.hardest !== null).map((stage) => admitRule(stage.name, stage.hardest));
    const all = needs.length ? make("p", { class: "gx-soft", text: `In this chain, to admit every token that reaches it: ${needs.join(" · ")}` }) : null;
    const see = first === null ? null : make("button", { class: "gx-button gx-quiet", type: "button", text: "Show", onclick: () => this.pinToken(first) });
    return make("div", { class: "gx-verdict" }, make("div", { class: "gx-row" }, head, make("span", { class: first === null ? "" : "gx-bad", text: words }), see), strip, all);
  }

  // The same weights in another type.

  buildParity() {
    const types = ["bfloat16", "float16", "float32"];
    this.dtype = choiceBox("type", types.map((name) => [name, name]), "bfloat16", () => {});
    this.parityOut = make("div", {});
    const go = make("button", { class: "gx-button", type: "button", text: "Light", title: "Read the text with the same weights in this type", onclick: () => this.parity(go) });
    return make("section", { class: "gx-parity" }, make("h4", { text: "Would another type of number say the same?" }), make("div", { class: "gx-fields" }, this.dtype, go), this.parityOut);
  }

  async parity(button) {
    button.disabled = true;
    this.parityOut.replaceChildren(make("p", { class: "gx-soft", role: "status", text: "Loading the model once more…" }));
    const found = await this.bridge.ask({ ask: "parity", dtype: fieldOf(this.dtype).value });
    button.disabled = false;
    if (!found) return;
    const line = make("p", {});
    if (found.error) {
      showProblem(line, found.error);
      this.parityOut.replaceChildren(line);
      return;
    }
    const { first, second, light, largest, largest_at: at, flipped, first_flipped: flip, mean_kl: kl, tokens } = found.parity;
    const words = { green: "green: no more than rounding", amber: "amber: more than rounding, but greedy decoding says the same", red: "red: greedy decoding says something else" };
    const lamp = make("span", { class: `gx-lamp gx-lamp-${light}`, "aria-hidden": "true" });
    const turned = flip === null ? "no likeliest token changes" : `the likeliest token changes at ${plural(flipped, "place")} of ${formatCount(tokens)}, first at token ${flip}`;
    const see = flip === null ? null : make("button", { class: "gx-button gx-quiet", type: "button", text: "Show", onclick: () => this.pinToken(flip) });
    line.append(lamp, ` ${words[light]}`);
    this.parityOut.replaceChildren(
      line,
      make("p", { class: "gx-soft", text: `${first} against ${second}: largest |Δ log p| ${toBits(largest).toFixed(4)} bits, at token ${at}; mean KL ${toBits(kl).toPrecision(2)} bits; ${turned}.` }),
      ...(see ? [see] : []),
    );
  }

  // A named token, everywhere.

  buildProbe() {
    this.word = textBox("token", " the", { onkeydown: (event) => event.key === "Enter" && this.probe() });
    this.probeOut = make("div", {});
    return make("section", {}, make("h4", { text: "What probability had a token at each place?" }), make("div", { class: "gx-fields" }, this.word, make("button", { class: "gx-button", type: "button", text: "Probe", onclick: () => this.probe() })), this.probeOut);
  }

  async probe() {
    const found = await this.bridge.ask({ ask: "probe", text: fieldOf(this.word).value });
    if (!found) return;
    if (found.error) {
      const line = make("p", {});
      showProblem(line, found.error);
      this.probeOut.replaceChildren(line);
      return;
    }
    const { log_p: logp, ranks, is_whole: whole, text } = found.probe;
    const values = logp.map((value) => (value === null ? 0 : Math.exp(value)));
    const before = this.found.pieces.slice(Math.max(0, found.best - 6), found.best).join("");
    this.probeOut.replaceChildren(
      make("p", { text: `Likeliest at token ${found.best}, after “…${before}”: ${formatPercent(values[found.best])}, rank ${formatCount(ranks[found.best])}.` }),
      ...(whole ? [] : [make("p", { class: "gx-soft", text: `“${text}” is several tokens: the figures are those of its first.` })]),
      ...(values.length > 1 ? [lineOf(values, (index) => this.pinToken(index))] : []),
    );
  }
}

/** The model that is chosen in the header. */
function currentModel() {
  const input = document.querySelector("#gx-model input");
  return input ? input.value : "";
}

/** A line over the tokens of a text; a click names the place. */
function lineOf(values, onPlace) {
  const top = Math.max(...values) || 1;
  const points = values.map((value, k) => `${((k / (values.length - 1)) * SPARK.width).toFixed(1)},${(SPARK.height - 4 - (value / top) * (SPARK.height - 10)).toFixed(1)}`);
  const svg = makeSvg("svg", { class: "gx-curve", viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, preserveAspectRatio: "none" });
  svg.append(makeSvg("polyline", { points: points.join(" ") }));
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    onPlace(clamp(Math.round(((event.clientX - box.left) / box.width) * (values.length - 1)), 0, values.length - 1));
  });
  return svg;
}

function rankLabels(edges) {
  return edges.slice(1).map((edge, k) => {
    const low = edges[k] + 1;
    if (edge === null) return `beyond ${formatCount(edges[k])}`;
    return low === edge ? `${low}` : `${formatCount(low)}–${formatCount(edge)}`;
  });
}

const shareLabels = (edges) => edges.slice(1).map((_, k) => `${Math.round(edges[k] * 100)}`);

const shareNames = (edges) => edges.slice(1).map((edge, k) => `${Math.round(edges[k] * 100)}–${Math.round((edge ?? 1) * 100)} %`);

const bitLabels = (edges) => edges.slice(1).map((edge, k) => (edge === null ? `over ${toBits(edges[k]).toFixed(0)}` : `${toBits(edges[k]).toFixed(0)}–${toBits(edge).toFixed(0)}`));
