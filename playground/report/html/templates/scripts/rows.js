// What moves with the step, by name: the rows of a run that the page computes. A `Move` names them under `live`.

const rowCount = (result) => result.count + (result.isDone ? 1 : 0);
const stepAt = (result, k) => (k < result.count ? result.steps[k] : result.made);
const lossAt = (result, k) => (k < result.count ? result.losses[k] : result.last);
const entryAt = (result, entry, k) => result.path[k * (result.path.length / (result.count + 1)) + entry];
const positionOf = (result, step) => {
  // of the last row that is not after a step
  let low = 0,
    high = rowCount(result) - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (stepAt(result, middle) > step) high = middle - 1;
    else low = middle;
  }
  return Math.max(0, low);
};

// Each takes the session, one of its results, the chart and what follows the colon in the name; it returns a row's value.
const QUANTITIES = {
  steps: (session, result) => (k) => stepAt(result, k),
  losses: (session, result) => (k) => lossAt(result, k),
  norms: (session, result) => (k) => (k < result.count ? result.norms[k] : null),
  entry: (session, result, chart, entry) => (k) => entryAt(result, Number(entry), k),
  direction:
    (session, result, { plane }, which) =>
    (k) =>
      plane.directions[which].reduce((sum, each, i) => sum + each * (entryAt(result, i, k) - plane.origin[i]), 0),
  tangent: (session, result, chart, axis) => (k) => {
    const [low, high] = chart.layout.xaxis.range,
      half = (high - low) / 6,
      x = entryAt(result, 0, k);
    if (axis === "x") return [x - half, x + half];
    const near = 1e-5 * (high - low),
      [before, at, after] = session.evaluate([[x - near], [x], [x + near]]),
      slope = (after - before) / (2 * near);
    return [at - half * slope, at + half * slope];
  },
  next: (session, result, chart, axis) => (k) => {
    if (k + 1 >= rowCount(result) || stepAt(result, k + 1) !== stepAt(result, k) + 1) return [];
    return [k, k + 1].map((each) => (axis === "x" ? entryAt(result, 0, each) : lossAt(result, each)));
  },
  fit: (session, result, chart) => (k) =>
    session
      .predict(
        modelAt(result, k),
        chart.data[0].x.map((x) => [x]),
      )
      .map(([y]) => y),
  // Many runs, by rate: the last loss; at the top of the chart those that are lost, at the bottom those that reached 0.
  rates: (session) => () => session.rates.map(([rate]) => rate),
  ends: (session) => () => session.rates.map(([, loss]) => loss || null),
  lost: (session, result, chart) => () => session.rates.map(([, loss]) => (loss === null ? edgesOf(chart)[1] : null)),
  zero: (session, result, chart) => () => session.rates.map(([, loss]) => (loss === 0 ? edgesOf(chart)[0] : null)),
  rate: (session) => () => Array(2).fill(session.settings.byProgram[session.settings.program].lr),
  height: (session, result, chart) => () => edgesOf(chart),
};
// The values at the bottom and at the top of a chart.
const edgesOf = (chart) => {
  const {
      range: [low, high],
      type,
    } = chart.plot._fullLayout.yaxis,
    room = 0.01 * (high - low);
  return [low + room, high - room].map((each) => (type === "log" ? 10 ** each : each));
};
const modelAt = (result, k) => {
  const entries = result.path.length / (result.count + 1);
  return result.path.subarray(k * entries, (k + 1) * entries);
};

const quantity = (session, result, chart, name) => {
  const [kind, argument] = name.split(":");
  return QUANTITIES[kind](session, result, chart, argument);
};

// The scores of a model over the grid of a decision surface, as the task computes them of its outputs.
const scoresOf = (session, { grid: { x, y, classes } }, k) => {
  const read = session.outputsOver({ x, y }, modelAt(session.shown, k)),
    { outputs } = session.shown.program,
    all = range(outputs);
  const scores = Float64Array.from({ length: x.length * y.length }, (_, i) => {
    if (classes === 2) return outputs === 1 ? read(i, 0) : read(i, 1) - read(i, 0);
    return all.reduce((best, output) => (read(i, output) > read(i, best) ? output : best), 0);
  });
  return { rows: y.length, columns: x.length, value: (_, row, column) => scores[row * x.length + column] };
};
