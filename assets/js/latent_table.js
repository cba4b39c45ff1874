// The paper's table: the spaces against each other, as measured last.

const TABLE_WORDS = {
  valid: "sentences of the language, by its judge",
  unique: "different sentences, of all points",
  novel: "not among the sentences trained on",
  usual: "as likely under the language's own word law as its held-out sentences",
  rules: "rules of the grammar that some point uses",
  vocabulary: "words of the language that some point says",
  reconstructed: "held-out sentences that come back word for word",
  exact: "the same, with exact points",
  tokens: "words that come back at their place",
  predicted: "next words guessed right, the words before and the point given",
};

class TablePanel {
  /** @param {LatentPage} page */
  constructor(page) {
    this.page = page;
    this.root = make("section", { class: "gx-panel", role: "tabpanel", "aria-label": "Table" });
    this.clear();
  }

  /** The table of the language that is chosen. */
  clear() {
    const { name } = this.page.world;
    const found = this.page.tables.find((table) => table.title.startsWith(`${name}:`));
    if (!found) {
      this.root.replaceChildren(make("p", { class: "gx-soft", text: "This language has not been measured." }));
      return;
    }
    const head = make("tr", {}, ...found.heads.map((text) => make("th", { scope: "col", text, title: TABLE_WORDS[text] || "" })));
    const body = found.rows.map((row) => make("tr", {}, ...row.map((text, k) => this.cell(text, k))));
    this.root.replaceChildren(
      make("p", { class: "gx-soft", text: `${found.title}. Per cent, 95 % intervals below; every head explains itself.` }),
      make("div", { class: "gx-metric-scroll" }, make("table", { class: "gx-shares gx-paper-table" }, make("thead", {}, head), make("tbody", {}, ...body))),
      make("p", { class: "gx-soft", text: `Measure it again: python -m explorer latent table --language ${name} --points 10000` }),
    );
  }

  cell(text, column) {
    if (column === 0) return make("th", { scope: "row", text });
    const [, value, interval] = text.match(/^([\d.]+) \(([^)]+)\)$/) || [null, text, ""];
    return make("td", {}, value, interval ? make("span", { class: "gx-interval", text: interval.replace("-", "–") }) : "");
  }
}
