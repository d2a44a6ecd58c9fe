// Descents by a program: one run with all that the page shows of it, and many runs of which only the end counts.

const MAX_KEPT = 2000; // steps of which losses and parameters are kept
const MAX_KEPT_BYTES = 4e6;
const ENDS = {
  nonfinite: "the loss is not finite",
  diverged: "diverged",
  loss: "converged: the loss reached its limit",
  gradient: "converged: the gradient reached its limit",
  stalled: "stalled: no improvement for as long as patience allows",
};
const EPSILON = { float32: 2 ** -23, float64: 2 ** -52 };

// The steps to keep: all, or evenly spaced by ratio, as in recorded charts.
const keptSteps = (steps, entries, program) => {
  const most = Math.max(60, Math.min(MAX_KEPT, Math.floor(MAX_KEPT_BYTES / (entries * program.width * 8))));
  if (steps <= most) return Int32Array.from({ length: steps }, (_, i) => i);
  const ratio = Math.log(steps) / (most - 1);
  return Int32Array.from(new Set(Array.from({ length: most }, (_, i) => Math.min(steps, Math.round(Math.exp(ratio * i))) - 1)));
};

// How many samples there are, and how many of them a step uses; 0 for all of them, in their own order.
const countSamples = (program, settings) => (program.data.length ? settings.data[0].length / sizeOf(program.data[0].slice(1)) : 0);
const batchOf = (program, settings) =>
  program.apart ? (settings.batch < countSamples(program, settings) ? settings.batch : 0) : program.batch;

// Lay the memory out and write what does not differ between runs.
const prepare = (machine, live, settings, tiles, kept, without) => {
  const { program } = machine,
    { steps } = settings,
    samples = countSamples(program, settings),
    batch = batchOf(program, settings);
  machine.lay(
    { tiles, steps: live.most, kept: Math.max(1, kept.length), streams: 1, span: batch ? steps : 1, points: 1, samples, batch },
    without,
  );
  machine.view("dials").set(program.dials.map(([name]) => settings.numbers[name]));
  machine.view("factors").set(settings.schedule && live.factors ? live.factors : new Float64Array(live.most).fill(1));
  machine.view("phases").set(program.phases);
  const counts = machine.view("counts"),
    wide = program.counts.length;
  program.counts.forEach((row, column) =>
    row.forEach((number, step) => {
      counts[step * wide + column] = number;
    }),
  );
  const columns = machine.view("columns").fill(-1);
  kept.forEach((step, column) => {
    columns[step] = column;
  });
  program.data.forEach((_, i) => machine.view(`data${i}`).set(settings.data[i]));
  if (batch) machine.view("order").set(orderOf(live, settings, samples, batch));
  machine.view("losses").fill(NaN);
  return steps;
};

// The samples of each step. Python draws a permutation for each epoch; where it drew none, because there were other samples
// or fewer epochs, the page draws its own.
const orderOf = (live, settings, samples, batch) => {
  const { steps, seed } = settings,
    given = live.batch,
    isGiven = live.orders && samples === live.data[0].shape[0];
  const own = isGiven ? live.orders.subarray(seed * live.most * given, (seed + 1) * live.most * given) : null;
  if (own && batch === given) return own.subarray(0, steps * batch);
  const order = new Int32Array(steps * batch),
    perEpoch = Math.ceil(samples / batch);
  for (let epoch = 0; epoch * perEpoch < steps; epoch++) {
    const drawn = epochOf(own, given, samples, epoch, live.most) ?? shuffled(samples, seed * 7919 + epoch + 1);
    for (let i = 0; i < samples && epoch * perEpoch * batch + i < order.length; i++) order[epoch * perEpoch * batch + i] = drawn[i];
  }
  return order;
};
const epochOf = (own, given, samples, epoch, most) => {
  const perEpoch = Math.ceil(samples / given);
  return own && (epoch + 1) * perEpoch <= most ? own.subarray(epoch * perEpoch * given, epoch * perEpoch * given + samples) : null;
};
const shuffled = (count, seed) => {
  const order = range(count),
    draw = uniforms(seed);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};

const startOf = (live, settings) =>
  settings.start ?? live.starts.subarray(settings.seed * live.entries, (settings.seed + 1) * live.entries);
const varyingOf = (program, settings) => program.varying.map(([name]) => settings.numbers[name]);

// Make one run; yields after each slice, with its result so far. In other lanes, or a second tile, goes the same run from a start
// that is one rounding away: how far it gets says how sensitive the run is.
function* makeRun(machine, live, settings, tiles = 1) {
  const { program } = machine,
    kept = keptSteps(settings.steps, live.entries, program),
    start = startOf(live, settings);
  const twin = Float64Array.from(start, (each) => each * (1 + EPSILON[program.dtype]) + (each ? 0 : EPSILON[program.dtype]));
  prepare(machine, live, settings, tiles, kept, []);
  machine.put("starts", 2, (run) => (run ? twin : start));
  machine.put("varying", 1, () => varyingOf(program, settings));
  machine.call("uniform", 0, settings.steps);
  const fits = machine.call("begin", 0, tiles) === tiles;
  const result = { program, settings, start, steps: kept, made: 0, isDone: false, fits };
  yield result;
  for (const made of inSlices(settings.steps, (from, to) => machine.call("descend", 0, tiles, from, to) > 0, 32)) {
    readRun(machine, live, result, made);
    yield result;
  }
  machine.call("conclude", 0, tiles);
  readRun(machine, live, result, settings.steps, true);
  yield result;
}

// Copy a run out of the memory, which the next one overwrites.
const readRun = (machine, live, result, made, isDone = false) => {
  const status = machine.rows("integers"),
    losses = machine.kept("losses"),
    norms = machine.has("norms") ? machine.kept("norms") : () => NaN,
    path = machine.kept("path");
  const end = machine.program.ends[status(0, 0)],
    last = end === "going" ? made : status(0, 1),
    entries = live.entries;
  const rows = result.steps.findIndex((step) => step >= last),
    count = rows < 0 ? result.steps.length : rows;
  Object.assign(result, { made: last, end, isDone, count });
  result.losses = Float64Array.from({ length: count }, (_, k) => losses(0, k));
  result.norms = Float64Array.from({ length: count }, (_, k) => norms(0, k));
  result.path = new Float64Array((count + 1) * entries);
  for (let k = 0; k < count; k++) for (let i = 0; i < entries; i++) result.path[k * entries + i] = path(0, k, i);
  if (machine.program.width * machine.sizes.tiles > 1)
    result.moved = farthest(
      count,
      (k) => losses(0, k),
      (k) => losses(1, k),
    );
  if (!isDone) return;
  const final = machine.rows("final"),
    numbers = machine.rows("numbers");
  for (let i = 0; i < entries; i++) result.path[count * entries + i] = final(0, i);
  result.last = end === "going" ? machine.rows("last")(0) : numbers(0, machine.program.records.indexOf("end_loss"));
  result.isUnknown = machine.program.leftOut !== null && final(0, machine.program.leftOut) !== 0;
  if (end === "going" && !Number.isFinite(result.last)) result.end = "nonfinite";
  result.status = machine.program.statuses[machine.program.ends.indexOf(result.end)];
};

// How far two rows of losses lie apart at most, relative to 1 and the loss; NaN where only one of them is finite.
const farthest = (count, a, b) => {
  let far = 0;
  for (let k = 0; k < count; k++) {
    const [left, right] = [a(k), b(k)];
    if (Number.isFinite(left) !== Number.isFinite(right)) return NaN;
    if (Number.isFinite(left)) far = Math.max(far, Math.abs(left - right) / (1 + Math.abs(right)));
  }
  return far;
};

// Make many runs that differ in starts or rates; yields how many are made. `take(run, end)` gets the end of each.
function* makeRuns(machine, live, settings, count, { start, numbers }, take) {
  const { program } = machine,
    { width } = program,
    tiles = Math.ceil(count / width),
    steps = prepare(machine, live, settings, tiles, [], ["path", "norms"]);
  machine.put("starts", count, start ?? (() => startOf(live, settings)));
  machine.put("varying", count, numbers ?? (() => varyingOf(program, settings)));
  machine.call("uniform", 0, steps);
  const status = machine.rows("integers"),
    final = machine.rows("final"),
    last = machine.rows("last");
  yield* inSlices(tiles, (from, to) => {
    machine.call("begin", from, to);
    machine.call("descend", from, to, 0, steps);
    machine.call("conclude", from, to);
    for (let run = from * width; run < Math.min(count, to * width); run++)
      take(run, { end: program.ends[status(run, 0)], last: last(run), final: (i) => final(run, i) });
  });
}

const sizeOf = (shape) => shape.reduce((product, each) => product * each, 1);
