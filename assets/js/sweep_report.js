// A sweep's report: its table, and one picture at a time of a metric over a parameter.

/** @param {Element} root @param {{said: string[], table: object, pictures: {metric: string, over: string, result: object}[]}} data */
function mountSweep(root, data) {
  root.classList.add("gx", "gx-results");
  const shown = make("div", { class: "gx-result" });
  const each = (key) => [...new Set(data.pictures.map((picture) => picture[key]))];
  const choice = (title, key) => {
    const box = make("select", { "aria-label": title, onchange: () => draw() }, ...each(key).map((word) => make("option", { value: word, text: word })));
    return [make("label", {}, `${title} `, box), box];
  };
  const [metricLabel, metric] = choice("metric", "metric");
  const [overLabel, over] = choice("over", "over");
  const draw = () => {
    const found = data.pictures.find((picture) => picture.metric === metric.value && picture.over === over.value);
    shown.replaceChildren(found ? drawResult(found.result, {}) : make("p", { class: "gx-soft", text: `No run has a ${metric.value} over ${over.value}.` }));
  };
  const pictures = data.pictures.length ? [make("div", { class: "gx-result-choice" }, metricLabel, overLabel), shown] : [make("p", { class: "gx-soft", text: "Nothing was varied, so there is no picture over it: write several values in the plan, such as p=0.8|0.95." })];
  const said = make("div", { class: "gx-soft gx-result-source" }, ...data.said.map((words) => make("p", { text: words })));
  const table = drawResult(data.table, {});
  table.style.gridColumn = "1 / -1";
  root.replaceChildren(...pictures, table, said);
  if (data.pictures.length) draw();
}
