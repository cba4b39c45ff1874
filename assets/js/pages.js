// The pages of the app: which one the address names, and what each is mounted by.

// Where the line is short, Gradio keeps the last names in a menu.
const pageTabs = () => [
  ...document.querySelectorAll('#gx-pages > .tab-wrapper :is([role="tablist"], .overflow-dropdown) button'),
];

const isChosen = (tab) => tab.getAttribute("aria-selected") === "true" || tab.classList.contains("selected");

Object.assign(window.Explorer, {
  bridge: bridgeOf,
  mountLatent: (root, config) => {
    window.Explorer.latent = new LatentPage(root, config);
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

/** Opens the page that the address names, as soon as the pages' names are there. */
function openNamedPage(until = performance.now() + 15000) {
  const name = window.location.hash.slice(1).toLowerCase();
  if (!name) return;
  const tab = pageTabs().find((one) => one.textContent.trim().toLowerCase() === name);
  if (tab) tab.click();
  if (tab ? isChosen(tab) : performance.now() > until) return;
  setTimeout(() => openNamedPage(until), 50);
}

openNamedPage();
window.addEventListener("hashchange", () => openNamedPage());
