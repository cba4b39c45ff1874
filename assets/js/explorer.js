// The one global: mounting the stage inside Gradio, or on an exported page.

let current = null;

function mount(root, options = {}) {
  current = new Stage(root, options);
  if (options.value) current.update(options.value);
  return current;
}

const press = (id) => {
  const button = document.getElementById(id);
  if (button) button.click();
};

/** Inside gr.HTML: `element`, `trigger`, `watch` and `props` are what its js_on_load receives. */
function mountGradio(element, { watch, props, trigger, onToken, config }) {
  const stage = mount(element.querySelector(".gx-root"), {
    ...config,
    value: props.value,
    onRun: () => press("gx-run"),
    onStop: () => press("gx-stop"),
    onBusy: showBusy,
    // The preset in the form no longer says what the lanes are.
    onOwnLanes: () => trigger("edit"),
    onAsk: (question, onAnswer) => askStages(question, onAnswer),
    onFork: (lane, index, token) => window.Explorer.forkRun(lane, index, token),
    onRemoved: () => prunePlot(stage),
    onToken,
    onCursor: (index) => showPlotCursor(index),
  });
  watch("value", () => stage.update(props.value));
}

let stagesAsked = 0;

/** What each stage did at a token; only the latest question is answered. */
async function askStages(question, onAnswer) {
  stagesAsked += 1;
  const turn = stagesAsked;
  const found = await bridgeOf("stages").ask({ ...question, ask: "stages" });
  if (found && turn === stagesAsked) onAnswer(found);
}

/** On an exported page: the run stands in a script block, nothing can be changed. */
function mountPage(root) {
  const block = document.querySelector('script[type="application/x-ndjson"]');
  const stage = mount(root, { readOnly: true, chart: true, value: block ? block.textContent : "" });
  stage.flush();
  const facts = document.querySelector("[data-gx-facts]");
  if (facts && stage.run.header) setText(facts, runFacts(stage.run));
  const toggle = document.querySelector("[data-gx-theme]");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (isDark) => document.documentElement.classList.toggle("dark", isDark);
  apply(dark.matches);
  dark.addEventListener("change", (event) => apply(event.matches));
  if (toggle) {
    toggle.addEventListener("click", () => apply(!document.documentElement.classList.contains("dark")));
  }
}

/** While a run is under way nothing can begin another: the buttons say so. */
function showBusy(busy) {
  const begin = document.querySelectorAll("#gx-run, #gx-chips button");
  for (const button of begin) {
    button.disabled = busy;
    button.title = busy ? "A run is under way: Stop or Esc ends it" : "";
  }
  const stop = document.getElementById("gx-stop");
  if (stop) stop.disabled = !busy;
}

/** On a phone: Stop, how the run stands, and the first lines of a lane, on one screen. */
function showRunRow() {
  const row = document.getElementById("gx-run-row");
  if (row) row.scrollIntoView({ block: "start" });
}

/** Lanes that were removed leave the plot too: its figure comes from the server and has them all. */
function prunePlot(stage) {
  const plot = document.querySelector("#gx-plot .js-plotly-plot");
  if (!plot || !window.Plotly || !plot.data) return;
  if (plot.gxWatched !== stage) {
    plot.gxWatched = stage;
    plot.on("plotly_afterplot", () => plot.gxWatched === stage && prunePlot(stage));
  }
  const shown = new Set(stage.lanes.map((lane) => lane.run));
  const isStale = (trace) => {
    const lane = stage.run.lanes[Number(trace.legendgroup)];
    return lane !== undefined && !shown.has(lane) && trace.visible !== false;
  };
  const stale = plot.data.flatMap((trace, place) => (isStale(trace) ? [place] : []));
  if (stale.length > 0) window.Plotly.restyle(plot, { visible: false }, stale);
}

function runFacts({ header, done }) {
  const { model = {}, prompt = {} } = header;
  const seed = (done && done.seed) ?? header.seed;
  const licence = model.licence === "unknown" ? "licence unknown" : model.licence;
  const facts = [model.id, licence, model.source && `from ${model.source}`, model.dtype, model.device];
  facts.push(plural(prompt.tokens, "prompt token"), prompt.template);
  facts.push(`seed ${seed}`, header.coupled ? "same noise in all lanes" : "");
  return facts.filter(Boolean).join(" · ");
}

const REST_MS = 400;

/** Settles when the page is shown and at rest: what is heavy and not asked for yet waits for it. */
function quiet() {
  const whenIdle = window.requestIdleCallback || ((done) => done());
  return new Promise((done) => whenIdle(() => setTimeout(() => done([]), REST_MS)));
}

/** A line at the pinned token in the page's plot; the plot lives without it where it is not ready. */
function showPlotCursor(index) {
  const plot = document.querySelector("#gx-plot .js-plotly-plot");
  if (!plot || !window.Plotly || !plot.layout) return;
  const line = { type: "line", xref: "x", yref: "paper", x0: index, x1: index, y0: 0, y1: 1 };
  line.line = { color: PALETTE.plotCursor, width: 1, dash: "dot" };
  window.Plotly.relayout(plot, { shapes: index === null ? [] : [line] });
}

window.Explorer = {
  mount,
  mountGradio,
  mountPage,
  /** Specs of all lanes, in order; Run sends them. */
  specs: () => (current ? current.specs() : []),
  setSpecs: (specs) => current && current.setSpecs(specs),
  /** Marks the page as starting and returns the specs of all lanes. */
  begin: () => {
    if (!current) return [];
    if (current.narrow.matches) showRunRow();
    return current.begin();
  },
  /** Sets the lanes of an example; returns the values of the form's fields. */
  example(values, specs, preset) {
    if (current && specs.length > 0) current.setSpecs(specs);
    const [prompt, template, tokens, ownPreset] = values;
    return [prompt, template, tokens, ownPreset || preset];
  },
  /** Why stages and parameters do nothing, as the editor says it. */
  reasons: { muted: mutedReasons, idle: idleReasons },
  quiet,
  stopping: () => current && current.stopping(),
  settled: () => current && current.settled(),
  /** Sets the lanes of a preset; "custom" is what is there. */
  choosePreset: (specs) => current && specs && current.setSpecs(specs),
  get stage() {
    return current;
  },
};
