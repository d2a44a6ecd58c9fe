// The state of a part in the address, and as a scenario in YAML.

const hashKey = (session, name) => (document.querySelectorAll(".part").length > 1 ? `${session.part.id}.${name}` : name);

// The settings that differ from the scenario's, as text by name.
const stateOf = (session) => {
  const { settings, programs, live } = session,
    words = {};
  const text = {
    program: () => ["optimizer", programs[settings.program].name],
    beside: () => ["beside", programs[settings.beside]?.name ?? "none"],
    schedule: () => ["schedule", settings.schedule ? "on" : "off"],
    steps: () => ["steps", settings.steps],
    seed: () => ["seed", live.seeds[settings.seed]],
    batch: () => ["batch", Number.isFinite(settings.batch) ? settings.batch : "all"],
    start: () => ["start", Array.from(settings.start).join(",")],
    data: () => null,
  };
  for (const name of session.difference()) {
    const pair = (text[name] ?? (() => [name, numberNamed(session, name)]))();
    if (pair) words[pair[0]] = pair[1];
  }
  return words;
};
// Which program a number belongs to, and its name there; `beside lr` is one of the optimizer that is shown beside.
const whose = ({ settings }, name) => (name.startsWith("beside ") ? [settings.beside, name.slice(7)] : [settings.program, name]);
const numberNamed = (session, name) => {
  const [program, own] = whose(session, name);
  return session.settings.byProgram[program]?.[own];
};
const hashOf = (session) =>
  Object.entries(stateOf(session))
    .map(([name, value]) => `${encodeURIComponent(hashKey(session, name))}=${encodeURIComponent(value)}`)
    .join("&");
const linkOf = (session) => `${location.href.split("#")[0]}#${hashOf(session)}`;

// A page in the frame of a notebook has no address of its own.
const hasAddress = () => location.protocol !== "about:";
let remembering = 0;
const rememberAddress = (session) => {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const hash = hashOf(session);
    if (hasAddress() && (location.hash.includes("=") || hash))
      history.replaceState(null, "", hash ? `#${hash}` : location.href.split("#")[0]);
  }, 300);
};

// Read the address; what it has that cannot be is left out, with a sentence.
const recallAddress = (session) => {
  const { live, programs } = session,
    refused = [],
    words = new URLSearchParams(location.hash.slice(1));
  const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
  const programOf = (text) => programs.findIndex((each) => each.name === text);
  for (const [name, key] of [
    ["optimizer", "program"],
    ["beside", "beside"],
  ]) {
    const found = programOf(words.get(hashKey(session, name)) ?? "");
    if (found >= 0) session.settings[key] = found;
  }
  const takes = {
    optimizer: (text) => programOf(text) >= 0,
    beside: (text) => programOf(text) >= 0 || text === "none",
    schedule: (text) => {
      session.settings.schedule = text === "on";
      return text === "on" || text === "off";
    },
    steps: (text) => {
      const value = number(text),
        isGood = Number.isInteger(value) && value >= 1 && value <= live.most;
      if (isGood) session.settings.steps = value;
      return isGood;
    },
    seed: (text) => {
      const found = live.seeds.indexOf(number(text));
      if (found >= 0) session.settings.seed = found;
      return found >= 0;
    },
    batch: (text) => {
      const value = text === "all" ? Infinity : number(text),
        isGood = value === Infinity || (Number.isInteger(value) && value >= 1);
      if (isGood) session.settings.batch = value;
      return isGood;
    },
    start: (text) => {
      const values = text.split(",").map(number),
        isGood = values.length === live.entries && !values.includes(null);
      if (isGood) session.settings.start = Float64Array.from(values);
      return isGood;
    },
  };
  const prefix = hashKey(session, "");
  for (const [key, text] of words) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length),
      value = number(text),
      isNumber = numberNamed(session, name) !== undefined;
    const isTaken = Object.hasOwn(takes, name) ? takes[name](text) : isNumber && value !== null;
    if (!isTaken) refused.push(Object.hasOwn(takes, name) || isNumber ? `${name}=${text}` : name);
    else if (isNumber) {
      const [program, own] = whose(session, name);
      session.settings.byProgram[program][own] = value;
    }
  }
  if (refused.length) tell(session, `Left out of the address, because it cannot be used here: ${refused.join(", ")}.`);
};

const copyText = async (session, make, told) => {
  let text;
  try {
    text = make();
  } catch (error) {
    tell(session, `Nothing was copied: ${error.message}.`);
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    tell(session, told);
  } catch {
    const box = session.box.querySelector(".live-text");
    box.hidden = false;
    box.value = text;
    box.focus();
    box.select();
    tell(session, "The clipboard is not available here; the text is selected below.");
  }
};

// The scenario with the numbers at hand.
const writeYaml = (session) => {
  const { settings, live, programs } = session,
    changed = new Set(session.difference()),
    scenario = structuredClone(live.scenario);
  const own = typeof scenario.optimizer === "string" ? { name: scenario.optimizer } : { ...scenario.optimizer },
    names = [...programs[settings.program].varying, ...programs[settings.program].dials].map(([name]) => name);
  const base = settings.program === 0 ? own : { name: programs[settings.program].name };
  const used =
    settings.program === 0
      ? names.filter((name) => changed.has(name) || Object.hasOwn(own, name))
      : names.filter((name) => changed.has(name) || name === "lr");
  scenario.optimizer = { ...base, ...Object.fromEntries(used.map((name) => [name, settings.byProgram[settings.program][name]])) };
  if (changed.has("schedule")) delete scenario.schedule;
  scenario.steps = settings.steps;
  scenario.seed = live.seeds[settings.seed];
  if (changed.has("batch")) {
    if (Number.isFinite(settings.batch)) scenario.batch_size = settings.batch;
    else delete scenario.batch_size;
  }
  if (settings.start) scenario.start = shapedStart(session, settings.start);
  const notes = changed.has("data") ? putData(session, scenario) : "";
  return notes + yamlOf(scenario).trimStart();
};
// Put the data at hand into a scenario, as the dataset `inline` takes them; return a comment on what no longer fits them.
const putData = (session, scenario) => {
  const { data } = session.settings,
    rows = session.live.data.map(({ shape }, which) => rowsOf(data[which], sizeOf(shape.slice(1)))),
    { samples } = session;
  scenario.dataset = { name: "inline", inputs: rows[0], targets: rows[1] };
  if (samples?.classes) Object.assign(scenario.dataset, { targets: rows[0].map((_, i) => [samples.classOf(i)]), classes: samples.classes });
  if (!scenario.expect?.predictions || rows[0].length === session.live.data[0].shape[0]) return "";
  delete scenario.expect.predictions;
  return "# The expected predictions are left out: they are of other samples.\n";
};
const rowsOf = (numbers, size) =>
  range(numbers.length / size).map((i) => Array.from(numbers.subarray(i * size, (i + 1) * size), (each) => Number(each.toPrecision(9))));
const shapedStart = ({ live }, start) => {
  let first = 0;
  const shaped = (shape) => (shape.length ? range(shape[0]).map(() => shaped(shape.slice(1))) : start[first++]);
  return Object.fromEntries(live.parameters.map(([name, shape]) => [name, shaped(shape)]));
};

// YAML of plain data: mappings in lines, mappings of scalars and lists in one line.
const PLAIN = /^[A-Za-z_][\w./-]*( [\w./-]+)*$/,
  WORDS = /^(y|yes|n|no|true|false|on|off|null|nan|inf)$/i;
const scalarOf = (value) =>
  typeof value === "string" && !(PLAIN.test(value) && !WORDS.test(value))
    ? JSON.stringify(value)
    : value === null
      ? "null"
      : typeof value === "number"
        ? numberOf(value)
        : String(value);
const numberOf = (value) => String(value).replace(/^(-?\d+)e/, "$1.0e");
const flowOf = (value) => {
  if (Array.isArray(value)) return `[${value.map(flowOf).join(", ")}]`;
  if (value && typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, each]) => `${scalarOf(key)}: ${flowOf(each)}`)
      .join(", ")}}`;
  return scalarOf(value);
};
const isPlain = (value) =>
  !value || typeof value !== "object" || Array.isArray(value) || Object.values(value).every((each) => !each || typeof each !== "object");
const yamlOf = (value, indent = "") =>
  Object.entries(value)
    .map(([key, each]) => `\n${indent}${scalarOf(key)}:${isPlain(each) ? ` ${flowOf(each)}` : yamlOf(each, `${indent}  `)}`)
    .join("");
