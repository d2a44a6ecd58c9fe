// Many runs at once: the last loss by learning rate, and where each start ends. Both are made between frames.

const MAP_WORK = 4e8;  // scalar operations that a map may take, so that it is there in about a second
const RATES = 400, LEAST_RATES = 24, BASIN_SIDES = [96, 64, 48, 32, 16];
const NEAR = 0.03;  // a run has reached a minimum that is nearer than this share of the picture

const workOf = (session) => session.programs[session.settings.program].operations * session.settings.steps;

const setUpMaps = (session) => {
  for (const chart of session.part.list.filter((each) => each.map)) {
    const isPossible = chart.map.kind === "rates" ? session.programs[0].varying.some(([name]) => name === "lr") : true;
    chart.figure.hidden = !isPossible;
    if (isPossible) session[chart.map.kind === "rates" ? "ratesChart" : "basinsChart"] = chart;
  }
};

// The last loss at each of many rates, at all other settings as they are. A run that ended badly has none.
const sweepRates = (session) => {
  const chart = session.ratesChart;
  if (!chart) return;
  const { settings, part } = session, count = Math.max(LEAST_RATES, Math.min(RATES, Math.floor(MAP_WORK / workOf(session)))), [low, high] = chart.map.range;
  const rates = range(count).map((i) => low * (high / low) ** (i / (count - 1))), place = session.programs[settings.program].varying.findIndex(([name]) => name === "lr");
  const found = rates.map((rate) => [rate, null]), machine = session.machine("many"), usual = varyingOf(machine.program, settings);
  const job = makeRuns(machine, session.live, settings, count, { numbers: (run) => usual.map((each, i) => (i === place ? rates[run] : each)) }, (run, { end, last }) => {
    if (end !== "nonfinite" && end !== "diverged" && Number.isFinite(last)) found[run][1] = last;
  });
  function* all() { yield* job; session.rates = found; }
  startJob(`${part.id} many`, RANKS.rates, sequence(all(), () => mapOf(session)), () => { if (session.rates === found && chart.visible && chart.drawn) move(chart); });
};
// The basins follow the rates: both use the same machine, one after the other.
function* sequence(first, second) { yield* first; const next = second(); if (next) yield* next; }

const mapBasins = (session) => { if (!session.ratesChart && session.basinsChart) startJob(`${session.part.id} many`, RANKS.basins, mapOf(session), () => {}); };

// For each start of a grid the minimum that its run reaches, or that it ends badly: colours of a picture below the chart.
function* mapOf(session) {
  const chart = session.basinsChart;
  if (!chart || !chart.visible) return;
  const { minima, x: [left, right], y: [bottom, top] } = chart.map, affordable = MAP_WORK / workOf(session), side = BASIN_SIDES.find((each) => each * each <= affordable) ?? BASIN_SIDES.at(-1);
  const starts = (run) => [left + ((right - left) * ((run % side) + 0.5)) / side, bottom + ((top - bottom) * (Math.floor(run / side) + 0.5)) / side];
  const reach = NEAR * Math.hypot(right - left, top - bottom), kinds = new Uint8Array(side * side);
  const job = makeRuns(session.machine("many"), session.live, session.settings, side * side, { start: starts }, (run, { end, final }) => {
    if (end === "nonfinite" || end === "diverged") { kinds[run] = 1; return; }
    const away = minima.map(([a, b]) => Math.hypot(final(0) - a, final(1) - b)), nearest = away.indexOf(Math.min(...away));
    kinds[run] = away[nearest] < reach ? 2 + nearest : 0;
  });
  for (const made of job) { if (made * session.programs[session.settings.program].width >= side * side) chart.basins = { side, kinds }; yield; }
  chart.basins = { side, kinds };
  if (chart.drawn) paintBasins(chart);
}

const BASIN_COLOURS = ["grey", "red", "blue", "orange", "green", "purple", "brown", "sky"];
const paintBasins = (chart) => {
  if (!chart.basins || !chart.plot._fullLayout) return;
  const { side, kinds } = chart.basins, { x, y } = axesOf(chart), colours = theme(), small = document.createElement("canvas");
  if (!chart.under) { chart.under = document.createElement("canvas"); chart.under.className = "under"; chart.plot.before(chart.under); }
  [small.width, small.height] = [side, side];
  const context = small.getContext("2d"), image = context.createImageData(side, side), shades = BASIN_COLOURS.map((name, i) => [...[1, 3, 5].map((at) => parseInt(colours[name].slice(at, at + 2), 16)), i === 0 ? 40 : i === 1 ? 90 : 120]);
  kinds.forEach((kind, run) => image.data.set(shades[kind % shades.length], 4 * ((side - 1 - Math.floor(run / side)) * side + (run % side))));
  context.putImageData(image, 0, 0);
  const canvas = chart.under, [left, right, top, bottom] = [x.d2p(chart.map.x[0]), x.d2p(chart.map.x[1]), y.d2p(chart.map.y[1]), y.d2p(chart.map.y[0])];
  canvas.setAttribute("style", `left:${chart.plot.offsetLeft + x._offset + left}px;top:${chart.plot.offsetTop + y._offset + top}px;width:${right - left}px;height:${bottom - top}px`);
  [canvas.width, canvas.height] = [right - left, bottom - top];
  const large = canvas.getContext("2d");
  large.imageSmoothingEnabled = false;
  large.drawImage(small, 0, 0, canvas.width, canvas.height);
};
