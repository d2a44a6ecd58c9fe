// Many runs at once: the last loss by learning rate, and where each start ends. Both are made between frames.

const MAP_WORK = 4e8; // scalar operations that a map may take, so that it is there in about a second
const RATES = 400,
  LEAST_RATES = 24,
  BASIN_SIDES = [96, 64, 48, 32, 16];
const NEAR = 0.03; // a run has reached a minimum that is nearer than this share of the picture

const workOf = (session) => session.programs[session.settings.program].operations * session.settings.steps;

const setUpMaps = (session) => {
  const box = session.part.element.querySelector(".maps");
  session.maps = session.part.list.filter((chart) => chart.map);
  if (box) box.hidden = false;
};

// Make the maps that are in sight and not of the settings at hand, one after the other.
const makeMaps = (session) => {
  const charts = session.maps.filter((chart) => chart.visible && chart.made !== session.version);
  function* all() {
    for (const chart of charts) {
      const { version } = session;
      yield* MAPS[chart.map.kind](session, chart);
      chart.made = version;
      showMap(chart);
    }
  }
  if (charts.length) startJob(`${session.part.id} many`, RANKS.maps, all(), () => {});
};
const showMap = (chart) => {
  if (!chart.drawn) return;
  if (chart.moves.length) move(chart);
  paintBasins(chart);
  fillOpen(chart);
};
const isLost = ({ end, last }) => end === "nonfinite" || end === "diverged" || !Number.isFinite(last);

const MAPS = {
  // The last loss at each of many rates, at all other settings as they are. A run that ended badly has none.
  *rates(session, chart) {
    const settings = session.settingsFor(session.settings.program),
      count = Math.max(LEAST_RATES, Math.min(RATES, Math.floor(MAP_WORK / workOf(session)))),
      [low, high] = chart.map.range;
    const found = range(count).map((i) => [low * (high / low) ** (i / (count - 1)), null]),
      machine = session.machine("many");
    const place = machine.program.varying.findIndex(([name]) => name === "lr"),
      usual = varyingOf(machine.program, settings);
    const numbers = (run) => usual.map((each, i) => (i === place ? found[run][0] : each));
    yield* makeRuns(machine, session.live, settings, count, { numbers }, (run, ended) => {
      if (!isLost(ended)) found[run][1] = ended.last;
    });
    session.rates = found;
  },

  // For each start of a grid the minimum that its run reaches: kinds 0 none, 1 lost, 2 and more the minima.
  *basins(session, chart) {
    const {
        minima,
        x: [left, right],
        y: [bottom, top],
      } = chart.map,
      affordable = MAP_WORK / workOf(session),
      side = BASIN_SIDES.find((each) => each * each <= affordable) ?? BASIN_SIDES.at(-1);
    const start = (run) => [
      left + ((right - left) * ((run % side) + 0.5)) / side,
      bottom + ((top - bottom) * (Math.floor(run / side) + 0.5)) / side,
    ];
    const reach = NEAR * Math.hypot(right - left, top - bottom),
      kinds = new Uint8Array(side * side);
    yield* makeRuns(
      session.machine("many"),
      session.live,
      session.settingsFor(session.settings.program),
      side * side,
      { start },
      (run, ended) => {
        const away = minima.map(([a, b]) => Math.hypot(ended.final(0) - a, ended.final(1) - b)),
          nearest = away.indexOf(Math.min(...away));
        kinds[run] = isLost(ended) ? 1 : away[nearest] < reach ? 2 + nearest : 0;
      },
    );
    chart.basins = { side, kinds };
  },
};

const BASIN_COLOURS = ["grey", "red", "blue", "orange", "green", "purple", "brown", "sky"];
const paintBasins = (chart) => {
  if (!chart.basins || !chart.plot._fullLayout) return;
  const { side, kinds } = chart.basins,
    { x, y } = axesOf(chart),
    colours = theme(),
    small = document.createElement("canvas");
  if (!chart.under) {
    chart.under = document.createElement("canvas");
    chart.under.className = "under";
    chart.plot.before(chart.under);
  }
  [small.width, small.height] = [side, side];
  const context = small.getContext("2d"),
    image = context.createImageData(side, side),
    shades = BASIN_COLOURS.map((name, i) => [
      ...[1, 3, 5].map((at) => parseInt(colours[name].slice(at, at + 2), 16)),
      i === 0 ? 40 : i === 1 ? 90 : 120,
    ]);
  kinds.forEach((kind, run) =>
    image.data.set(shades[kind % shades.length], 4 * ((side - 1 - Math.floor(run / side)) * side + (run % side))),
  );
  context.putImageData(image, 0, 0);
  const canvas = chart.under,
    [left, right, top, bottom] = [x.d2p(chart.map.x[0]), x.d2p(chart.map.x[1]), y.d2p(chart.map.y[1]), y.d2p(chart.map.y[0])];
  canvas.setAttribute(
    "style",
    `left:${chart.plot.offsetLeft + x._offset + left}px;top:${chart.plot.offsetTop + y._offset + top}px;width:${right - left}px;height:${bottom - top}px`,
  );
  [canvas.width, canvas.height] = [right - left, bottom - top];
  const large = canvas.getContext("2d");
  large.imageSmoothingEnabled = false;
  large.drawImage(small, 0, 0, canvas.width, canvas.height);
};
