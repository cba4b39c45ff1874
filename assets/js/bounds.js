// Bounds of parameters: as declared, and as a slider can show them.

/**
 * One form for both ways of declaring an open bound: as a number of its own
 * (`exclusive_minimum: 0`) or as a flag on the bound (`minimum: 0, exclusive_minimum: true`).
 */
function boundOf(closed, exclusive) {
  if (isNumber(exclusive)) return { value: exclusive, open: true };
  return { value: isNumber(closed) ? closed : null, open: exclusive === true };
}

function withBounds(entry) {
  const params = (entry.params || []).map((param) => ({
    ...param,
    low: boundOf(param.minimum, param.exclusive_minimum),
    high: boundOf(param.maximum, param.exclusive_maximum),
    neutral: param.neutral ?? (entry.neutral || {})[param.name],
  }));
  return { ...entry, params };
}

function outOfBounds({ low, high }, value) {
  if (low.value !== null && value < low.value) return `is below ${low.value}`;
  if (low.value !== null && low.open && value === low.value) return `has to be above ${low.value}`;
  if (high.value !== null && value > high.value) return `is above ${high.value}`;
  if (high.value !== null && high.open && value === high.value) {
    return `has to be below ${high.value}`;
  }
  return "";
}

/** The server counts characters, not their halves. */
function tooLong(param, text) {
  const length = [...text].length;
  if (!isNumber(param.max_length) || length <= param.max_length) return "";
  return `has ${formatCount(length)} characters, ${formatCount(param.max_length)} are allowed`;
}

/** The allowed values in words: "above 0, at most 1". */
function allowedWords({ low, high }) {
  const words = [];
  if (low.value !== null) words.push(`${low.open ? "above" : "at least"} ${low.value}`);
  if (high.value !== null) words.push(`${high.open ? "below" : "at most"} ${high.value}`);
  return words.join(", ");
}

const niceStep = (width) => 10 ** Math.floor(Math.log10(width || 0.01));

/** Ends and step of a slider: the useful range where declared, else the bounds. */
function sliderRange(param) {
  if (param.slider) {
    const [low, high, step] = param.slider;
    return { low, high, step };
  }
  const isInt = param.type === "int";
  const start = param.low.value ?? 0;
  const reach = isInt ? Math.max(10, param.default * 4) : Math.max(2, param.default * 4);
  const end = param.high.value ?? start + reach;
  const step = param.step ?? (isInt ? 1 : niceStep((end - start) / 100));
  return {
    low: param.low.open ? tidy(start + step) : start,
    high: param.high.value !== null && param.high.open ? tidy(end - step) : end,
    step,
  };
}

/** Slider positions run 0…1000 in log space where the parameter says so. */
function sliderScale(param) {
  const { low, high, step } = sliderRange(param);
  if (!param.log || low <= 0) {
    return { low, high, step, toValue: tidy, toPosition: (value) => value };
  }
  const ratio = Math.log(high / low);
  const round = (value) => (param.type === "int" ? Math.round(value) : Number(value.toPrecision(3)));
  return {
    low: 0,
    high: 1000,
    step: 1,
    toValue: (position) => round(low * Math.exp((ratio * position) / 1000)),
    toPosition: (value) => (1000 * Math.log(clamp(value, low, high) / low)) / ratio,
  };
}

// Sliders add binary fractions (0.30000000000000004): specs carry what a person would write.
const tidy = (value) => Number(Number(value).toPrecision(10));
