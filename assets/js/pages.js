// The pages of the app: which one the address names, and what each is mounted by.

// Where the line is short, Gradio keeps the last names in a menu.
const pageTabs = () => [
  ...document.querySelectorAll('#gx-pages > .tab-wrapper :is([role="tablist"], .overflow-dropdown) button'),
];

const isChosen = (tab) => tab.getAttribute("aria-selected") === "true" || tab.classList.contains("selected");

const share = new Share();

Object.assign(window.Explorer, {
  share,
  bridge: bridgeOf,
  mountLoops: (root, config) => {
    window.Explorer.loops = new LoopsPage(root, config);
  },
  mountLatent: (root, config) => {
    window.Explorer.latent = new LatentPage(root, config);
  },
  mountLabs: (root, config) => {
    window.Explorer.labs = new LabsPage(root, config);
  },
  mountMaps: (root) => {
    window.Explorer.maps = new MapsPage(root);
  },
  mountScore: (root, config) => {
    window.Explorer.score = new ScorePage(root, config);
  },
  mountTraces: (root, config) => {
    window.Explorer.traces = new TracesPage(root, config);
  },
  /** Opens the run of the Compare page on the Traces page. */
  takeRun() {
    window.Explorer.goTo("traces");
    whenMounted("traces", (page) => page.take());
  },
  /** Opens what another page made on the Traces page. */
  takeRunFrom(where) {
    window.Explorer.goTo("traces");
    whenMounted("traces", (page) => page.take(where));
  },
  forkRun(lane, index, token) {
    window.Explorer.goTo("traces");
    // Lanes without a token are not taken.
    const taken = window.Explorer.stage.run.lanes.slice(0, lane).filter((one) => one.tokens.length > 0);
    whenMounted("traces", (page) => page.takeAndFork(taken.length, index, token));
  },
  /** Goes to a page by its name. */
  goTo(name) {
    const tab = pageTabs().find((one) => one.textContent.trim().toLowerCase() === name);
    if (tab) tab.click();
  },
  /** Writes the chosen page into the address. */
  pageChosen() {
    const chosen = pageTabs().find(isChosen);
    if (!chosen) return;
    const name = chosen.textContent.trim().toLowerCase();
    const { pathname, search } = window.location;
    window.history.replaceState(null, "", `${pathname}${search}${name === "compare" ? "" : `#${name}`}`);
  },
});

/** A page is mounted as it is first looked at. */
function whenMounted(name, act, until = performance.now() + 15000) {
  if (window.Explorer[name]) act(window.Explorer[name]);
  else if (performance.now() < until) setTimeout(() => whenMounted(name, act, until), 50);
}

/** Opens the page that the address names, as soon as the pages' names are there. */
function openNamedPage(until = performance.now() + 15000) {
  const name = window.location.hash.slice(1).toLowerCase();
  if (!name || window.location.hash.startsWith(LINK_MARK)) return;
  const tab = pageTabs().find((one) => one.textContent.trim().toLowerCase() === name);
  if (tab) tab.click();
  if (tab ? isChosen(tab) : performance.now() > until) return;
  setTimeout(() => openNamedPage(until), 50);
}

openNamedPage();
share.open();
window.addEventListener("hashchange", () => openNamedPage());
