// Numbers as Python writes them, and arithmetic as `core/formula_reader.py` reads it.

const FAR_DIGITS = 45; // more than a double has after a tie

// `toFixed` and `toExponential` round a tie away from zero, Python to the even digit.
const roundedText = (size, digits, form) => {
  const text = size[form](digits),
    long = size[form](Math.min(100, digits + FAR_DIGITS)),
    [mantissa, exponent] = long.split("e"),
    point = mantissa.indexOf(".");
  if (!/^50*$/.test(mantissa.slice(point + 1 + digits))) return text;
  const below = mantissa.slice(0, digits ? point + 1 + digits : point);
  return "02468".includes(below.at(-1)) ? below + (exponent === undefined ? "" : `e${exponent}`) : text;
};
const signed = (value, text) => (value < 0 || Object.is(value, -0) ? `-${text}` : text);
const wideExponent = (text) => text.replace(/e([+-])(\d)$/, "e$10$2");
const notFinite = (value) => (Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf");
const fixedText = (value, digits) =>
  Number.isFinite(value) ? signed(value, roundedText(Math.abs(value), digits, "toFixed")) : notFinite(value); // {value:.4f}
const exponentText = (value, digits) => signed(value, wideExponent(roundedText(Math.abs(value), digits, "toExponential"))); // {value:.4e}
const withoutZeros = (text) => text.replace(/\.(\d*?)0*(?=e|$)/, (_, kept) => (kept ? `.${kept}` : ""));
const generalText = (value, digits) => {
  // {value:.4g}
  if (!Number.isFinite(value)) return notFinite(value);
  const text = exponentText(value, Math.max(digits, 1) - 1),
    exponent = Number(text.split("e")[1]);
  return withoutZeros(exponent < -4 || exponent >= Math.max(digits, 1) ? text : fixedText(value, Math.max(digits, 1) - 1 - exponent));
};
const reprText = (value) => {
  // repr(value)
  if (!Number.isFinite(value)) return notFinite(value);
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e16)) return wideExponent(value.toExponential());
  return Number.isInteger(value) ? signed(value, size.toFixed(1)) : String(value);
};

// As `report/explanation/formatting.py` shows numbers and tensors.
const shownNumber = (value, digits) => {
  if (!Number.isFinite(value)) return notFinite(value);
  return value !== 0 && !(10 ** -digits <= Math.abs(value) && Math.abs(value) < 1e6)
    ? exponentText(value, digits)
    : fixedText(value + 0, digits);
};
const shownRow = (values, shape, digits) => {
  if (!shape.length) return shownNumber(values[0], digits);
  const size = values.length / shape[0];
  return `[${range(shape[0])
    .map((i) => shownRow(values.slice(i * size, (i + 1) * size), shape.slice(1), digits))
    .join(", ")}]`;
};
const describedTensor = (values, shape, digits) => {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  if (values.length === 1) return shownNumber(values[0], digits);
  const [low, high] = values.some(Number.isNaN) ? [NaN, NaN] : [Math.min(...values), Math.max(...values)];
  return `(${shape.join(" × ")})  mean ${shownNumber(mean, digits)}, ${shownNumber(low, digits)} … ${shownNumber(high, digits)}`;
};
const shownTensor = (values, shape, digits, room) => {
  const text = values.length <= MAX_SHOWN_ENTRIES ? shownRow(values, shape, digits) : null;
  return text !== null && text.length <= room ? text : describedTensor(values, shape, digits);
};
const MAX_SHOWN_ENTRIES = 64;

// As `runner/explaining/worked_arithmetic.py` writes numbers inside arithmetic.
const plainNumber = (value, digits) => {
  value += 0;
  const text = withoutZeros(fixedText(value, digits));
  if (Number(text) === 0 && value !== 0) return generalText(value, digits);
  return Math.abs(value) >= 1e6 && Number.isFinite(value) ? generalText(value, digits + 1) : text;
};
const enclosed = (text) => (text.startsWith("-") ? `(${text})` : text);
const mergeParentheses = (text) => text.replace(/\(\((-[\d.e+-]+)\)\)/g, "($1)");

const FORMULA_FUNCTIONS = {
  ...Object.fromEntries(
    [
      "exp",
      "log",
      "log2",
      "log10",
      "log1p",
      "expm1",
      "sin",
      "cos",
      "tan",
      "asin",
      "acos",
      "atan",
      "sinh",
      "cosh",
      "tanh",
      "asinh",
      "acosh",
      "atanh",
      "sign",
      "sqrt",
      "abs",
      "max",
      "min",
    ].map((name) => [name, Math[name]]),
  ),
  mean: (x) => x,
  clamp: (x, low, high) => (high === undefined ? Math.min(Math.max(x, -low), low) : Math.min(Math.max(x, low), high)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  σ: (x) => 1 / (1 + Math.exp(-x)),
};
const FORMULA_TOKEN = /\s*(?:(\d+\.?\d*(?:e[+\-−]?\d+)?|inf\b|nan\b)|([A-Za-z_][A-Za-z0-9_]*|[σΦφ])|(≤|≥|≠|[^\s]))/gu;
const FORMULA_COMPARISONS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "≤": (a, b) => a <= b,
  "≥": (a, b) => a >= b,
  "≠": (a, b) => a !== b,
  "=": (a, b) => a === b,
};

// Return the number that a formula of numbers gives; throws if it is not arithmetic, or has a function that is not known here.
const readFormula = (text) => {
  const tokens = [...text.trim().matchAll(FORMULA_TOKEN)].map(([, number, name, sign]) => ({ number, name, sign: number ?? name ?? sign }));
  let place = 0;
  const refuse = () => {
    throw new Error(`not arithmetic: ${tokens[place]?.sign ?? "the end"}`);
  };
  const next = () => tokens[place]?.sign ?? "";
  const takes = (...signs) => {
    const sign = next();
    if (!sign || !signs.includes(sign)) return "";
    place += 1;
    return sign;
  };
  const needs = (sign) => takes(sign) || refuse();
  const sum = () => {
    let value = product();
    for (let sign = takes("+", "−", "-"); sign; sign = takes("+", "−", "-")) value = sign === "+" ? value + product() : value - product();
    return value;
  };
  const product = () => {
    for (let value = negated(); ;) {
      const sign = takes("·", "/");
      if (!sign && !["(", "["].includes(next())) return value;
      const other = negated();
      value = sign === "/" ? value / other : value * other;
    }
  };
  const negated = () => (takes("−", "-") ? -negated() : power());
  const power = () => {
    const value = atom();
    return takes("²") ? value ** 2 : takes("^") ? value ** negated() : value;
  };
  const closed = (end) => {
    const value = sum();
    needs(end);
    return value;
  };
  const atom = () => {
    if (takes("(")) return closed(")");
    if (takes("|")) return Math.abs(closed("|"));
    if (takes("[")) return cases();
    if (takes("√")) return Math.sqrt(atom());
    if (takes("Σ")) return power();
    if (takes("π")) return Math.PI;
    return named();
  };
  const named = () => {
    const { number, name } = tokens[place] ?? refuse();
    if (number !== undefined) {
      place += 1;
      return number === "inf" ? Infinity : Number(number.replace("−", "-"));
    }
    if (!Object.hasOwn(FORMULA_FUNCTIONS, name ?? "")) refuse();
    place += 1;
    if (name === "log" && next() !== "(") return Math.log(power());
    needs("(");
    const given = [argument()];
    while (takes(",")) given.push(argument());
    needs(")");
    return FORMULA_FUNCTIONS[name](...given);
  };
  const argument = () => {
    takes("±");
    return sum();
  };
  const cases = () => {
    const first = sum();
    if (!takes("if")) {
      const value = condition(first);
      needs("]");
      return Number(value);
    }
    const holds = condition(sum());
    takes(",");
    needs("else");
    const other = closed("]");
    return holds ? first : other;
  };
  const condition = (left) => {
    let holds = null;
    for (let sign = takes(...Object.keys(FORMULA_COMPARISONS)); sign; sign = takes(...Object.keys(FORMULA_COMPARISONS))) {
      const right = sum();
      holds = (holds ?? true) && FORMULA_COMPARISONS[sign](left, right);
      left = right;
    }
    return holds ?? refuse();
  };
  const value = sum();
  if (next()) refuse();
  return value;
};

// Arithmetic with the decimals that are asked for, or with as many more as it needs to give its result; "" if it does not give it.
const READING_TOLERANCE = 0.01,
  MAX_DIGITS = 17;
const workedText = (write, result, digits, tolerance) => {
  try {
    const exact = write((value) => enclosed(reprText(value))),
      isNear = (found, room) => found === result || Math.abs(found - result) <= room;
    if (!exact || !isNear(readFormula(exact), tolerance * Math.abs(result))) return "";
    for (let more = digits; more <= MAX_DIGITS; more++) {
      const text = write((value) => enclosed(plainNumber(value, more)));
      if (isNear(readFormula(text), Math.max(READING_TOLERANCE * Math.abs(result), result === 0 ? 0.5 * 10 ** -more : 0))) return text;
    }
  } catch {
    /* not arithmetic that is known here */
  }
  return "";
};
