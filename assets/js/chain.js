// What a chain of stages makes idle, which stages may stand together, and named orders.

/** True where a processor's values change nothing. */
function isNeutral(entry, params) {
  const values = Object.entries(entry.neutral || {});
  return values.length > 0 && values.every(([name, value]) => params[name] === value);
}

/**
 * Why each stage changes nothing in this chain, "" where it does: the same sentences as the
 * server's `Chain.muted`.
 */
function mutedReasons(catalog, stages) {
  const known = stages.map((stage) => catalog.get(stage.name));
  const chooser = known[known.length - 1];
  const isGreedy = Boolean(chooser) && chooser.name === "greedy";
  return stages.map((stage, place) => {
    const entry = known[place];
    if (!entry || entry.kind === "chooser") return "";
    if (isNeutral(entry, stage.params)) {
      const values = Object.entries(entry.neutral).map(([name, value]) => `${name}=${catalog.writeShort(value)}`);
      return `${entry.title} does nothing at ${values.join(", ")}.`;
    }
    const later = stages.slice(place + 1, -1).map((other) => [catalog.get(other.name), other.params]);
    const isKept = later.every(([other, params]) => other && (other.keeps_argmax || isNeutral(other, params)));
    if (isGreedy && entry.keeps_argmax && isKept) {
      return `${entry.title} does nothing: greedy takes the likeliest token anyway.`;
    }
    return "";
  });
}

/** Parameters of a stage that nothing reads at its other values, each with the reason. */
function idleReasons(entry, params) {
  const found = new Map();
  for (const rule of entry.idle || []) {
    const value = params[rule.other];
    const isAbove = isNumber(rule.above) && isNumber(value) && value > rule.above;
    const isElsewhere = rule.unless.length > 0 && !rule.unless.includes(value);
    if (!isAbove && !isElsewhere && !rule.when.includes(value)) continue;
    for (const name of rule.params) if (!found.has(name)) found.set(name, rule.reason);
  }
  return found;
}

/** Why two stages cannot stand in one chain, or "". */
function conflictOf(catalog, stages) {
  const second = stages.filter((stage) => (catalog.get(stage.name) || {}).reads_second_context);
  if (second.length < 2) return "";
  return `${second[0].name} and ${second[1].name} each compare with a second context: keep one of the two.`;
}

/** The stages in a named order (explorer/decoders/orders.py); the chooser stays last. */
function reorder(catalog, stages, order) {
  const elsewhere = order.others === "first" ? -1 : order.stages.length;
  const place = (stage) => {
    if (catalog.isChooser(stage.name)) return order.stages.length + 1;
    const found = order.stages.indexOf(order.variants[stage.name] || stage.name);
    return found === -1 ? elsewhere : found;
  };
  return [...stages].sort((one, other) => place(one) - place(other));
}
