// A part of the page that computes its run itself: settings, the runs they give, and what is shown of them.

const AGREEMENT = { float64: 1e-9, float32: 1e-3 }; // farther from Python's losses, the page says by how much
const INDICES = { 1: Uint8Array, 2: Uint16Array, 4: Int32Array };
const RANKS = { start: -1, run: 0, other: 1, maps: 2 };

class Session {
  constructor(part, programs) {
    const { live } = part;
    Object.assign(this, { part, live, programs, modules: {}, machines: {}, shown: null, other: null, judged: [], rates: [], version: 0 });
    live.entries = live.parameters.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
    live.starts = numbersOf(live.starts);
    live.orders = live.orders && numbersOf(live.orders, INDICES[live.orderBytes]);
    live.batch = programs[0].batch;
    this.initial = {
      program: 0,
      beside: -1,
      schedule: Boolean(live.factors),
      steps: live.steps,
      seed: live.seeds.indexOf(live.seed),
      start: null,
      byProgram: programs.map((_, program) => this.numbersFor(program)),
      data: live.data.map((each) => numbersOf(each.values)),
      clean: live.data.length ? numbersOf(live.data[0].values) : null, // the inputs without added noise
      noise: 0,
      batch: live.batch || Infinity,
    };
    this.settings = this.copyOf(this.initial);
    this.canPredict = programs[0].outputs > 0;
    this.samples = this.findSamples();
  }
  numbersFor(program) {
    return Object.fromEntries([...this.programs[program].varying, ...this.programs[program].dials].map(([name, value]) => [name, value]));
  }
  copyOf(settings) {
    return {
      ...settings,
      byProgram: settings.byProgram.map((numbers) => ({ ...numbers })),
      data: settings.data.map((each) => each.slice()),
      start: settings.start?.slice() ?? null,
    };
  }
  // The data points, where a chart shows every sample and the data are inputs of the program.
  findSamples() {
    const shown = this.part.list.find((chart) => chart.samples)?.samples,
      [inputs, targets] = this.initial.data;
    if (!shown || !targets || this.programs.some((program) => !program.data.length)) return null;
    const count = inputs.length / sizeOf(this.live.data[0].shape.slice(1));
    return count === shown.count ? new Samples(this, shown) : null;
  }
  isChanged() {
    return this.difference().length > 0;
  }
  // The settings as a run of a program takes them, with the numbers of its optimizer.
  settingsFor(program) {
    return { ...this.settings, numbers: this.settings.byProgram[program] };
  }
  setNumber(program, name, value) {
    const { byProgram } = this.settings;
    this.change({ byProgram: byProgram.map((numbers, each) => (each === program ? { ...numbers, [name]: value } : numbers)) });
  }
  // Names of the settings that are not as in the scenario.
  difference() {
    const { settings, initial } = this,
      plain = ["program", "beside", "schedule", "steps", "seed", "batch"].filter((name) => settings[name] !== initial[name]);
    const changed = (program) =>
      program < 0
        ? []
        : Object.keys(initial.byProgram[program]).filter((name) => settings.byProgram[program][name] !== initial.byProgram[program][name]);
    const numbers = [...changed(settings.program), ...changed(settings.beside).map((name) => `beside ${name}`)];
    const data = settings.data.some(
      (each, i) => each.length !== initial.data[i].length || each.some((value, j) => value !== initial.data[i][j]),
    );
    return [...plain, ...numbers, ...(settings.start ? ["start"] : []), ...(data ? ["data"] : [])];
  }

  // Compile the programs that the settings need; the others when they are chosen.
  missing() {
    const { program, beside } = this.settings;
    return [0, program, beside].filter((each) => each >= 0 && !this.modules[each]);
  }
  async compile() {
    await Promise.all(
      this.missing().map(async (each) => {
        this.modules[each] = await WebAssembly.compile(bytesOf(this.programs[each].code));
      }),
    );
  }
  // One machine for each use; each use of the same program shares its compiled module.
  machine(use, program = this.settings.program) {
    const key = `${use} ${program}`;
    this.machines[key] ??= new Machine(this.programs[program], this.modules[program]);
    return this.machines[key];
  }

  change(changes) {
    tell(this, "");
    Object.assign(this.settings, changes);
    if (this.part.position === 0 && !this.part.isPlaying()) this.follows = true;
    this.start();
  }
  reset() {
    tell(this, "");
    this.settings = this.copyOf(this.initial);
    this.start();
  }
  // Events can come faster than frames: what follows of them is done once in the next frame.
  start() {
    const session = this;
    function* begin() {
      while (session.missing().length) yield; // they are compiled between frames
      session.run();
      session.after();
    }
    if (this.missing().length) this.compile();
    startJob(`${this.part.id} start`, RANKS.start, begin(), () => {});
  }

  run() {
    const { part, settings } = this,
      start = (use, program, then) => {
        let result = null;
        const job = makeRun(this.machine(use, program), this.live, this.settingsFor(program));
        startJob(
          `${part.id} ${use}`,
          RANKS[use],
          keepLast(job, (each) => {
            result = each;
          }),
          () => {
            if (result) then(result);
          },
        );
      };
    start("run", settings.program, (result) => this.publish(result));
    if (settings.beside >= 0 && settings.beside !== settings.program)
      start("other", settings.beside, (result) => this.publishOther(result));
    else {
      stopJob(`${part.id} other`);
      this.other = null;
    }
    this.version += 1;
    makeMaps(this);
  }

  // Show a run as far as it is made.
  publish(result) {
    const { part } = this;
    if (!result.losses) return;
    const step = part.steps[part.position],
      wasLast = part.position === part.steps.length - 1,
      isFirst = !this.shown;
    this.shown = result;
    part.steps = range(rowCount(result)).map((k) => stepAt(result, k));
    if (!part.steps.length) return;
    part.scrubber.slider.max = part.steps.length - 1;
    part.position = this.follows || wasLast ? part.steps.length - 1 : positionOf(result, step);
    if (isFirst) for (const chart of part.list) if (chart.drawn) draw(chart);
    if (result.isDone) {
      this.follows = false;
      this.finish(result);
    }
    refresh(part);
  }
  publishOther(result) {
    if (!result.losses) return;
    this.other = result;
    refresh(this.part);
    if (result.isDone && this.shown?.isDone) this.say();
  }
  finish(result) {
    if (this.isChecked) showJudged(this, result);
    this.part.list.forEach(fillOpen);
    this.say();
  }

  // Make the scenario's own run, and compare its losses with those that Python recorded.
  check() {
    let result = null;
    const job = makeRun(
      this.machine("check", 0),
      this.live,
      { ...this.initial, numbers: this.initial.byProgram[0] },
      this.programs[0].apart ? 2 : 1,
    );
    startJob(
      `${this.part.id} check`,
      RANKS.other,
      keepLast(job, (each) => {
        result = each;
      }),
      () => {
        if (!result?.isDone) return;
        this.compare(result);
        this.judgeLike(result);
        delete this.machines["check 0"];
        if (this.shown?.isDone) this.say();
      },
    );
  }
  // Judge what the page measures as Python did; the sample predictions are those of the scenario's own data.
  judgeLike(result) {
    const { settings, shown } = this;
    Object.assign(this, { settings: this.copyOf(this.initial), shown: result });
    findJudged(this, result);
    Object.assign(this, { settings, shown });
    this.isChecked = true;
    if (shown?.isDone) showJudged(this, shown);
  }
  compare(result) {
    const { live } = this,
      steps = numbersOf(live.losses.steps, Int32Array),
      values = numbersOf(live.losses.values);
    const place = new Map(Array.from(result.steps, (step, k) => [step, k])),
      both = range(steps.length).filter((i) => place.has(steps[i]) && place.get(steps[i]) < result.count);
    this.agreement = {
      away: farthest(
        both.length,
        (i) => result.losses[place.get(steps[both[i]])],
        (i) => values[both[i]],
      ),
      moved: result.moved,
    };
  }

  // The numbers that a model predicts at points, and the loss at parameters.
  predict(model, points) {
    const { program } = this.machine("eye"),
      machine = this.machine("eye").lay({ ...this.eyeSizes(), points: Math.ceil(points.length / this.machine("eye").arrays.inputs.lanes) });
    machine.view("model").set(model);
    machine.put("inputs", points.length, (i) => points[i]);
    machine.call("predict", 0, machine.sizes.points);
    const read = machine.rows("outputs");
    return points.map((_, i) => range(program.outputs).map((output) => read(i, output)));
  }
  // The outputs of a model at the points of a grid, which stays in a machine of its own.
  outputsOver({ x, y }, model) {
    const machine = this.machine("grid"),
      { program } = machine,
      count = x.length * y.length;
    if (machine.grid !== x) {
      machine.lay({ ...this.eyeSizes(), points: Math.ceil(count / machine.arrays.inputs.lanes) });
      machine.put("inputs", count, (i) => [x[i % x.length], y[Math.floor(i / x.length)]]);
      machine.grid = x;
    }
    machine.view("model").set(model);
    machine.call("predict", 0, machine.sizes.points);
    return machine.rows("outputs");
  }
  evaluate(points) {
    const { program } = this.machine("eye"),
      machine = this.machine("eye"),
      tiles = Math.ceil(points.length / machine.arrays.points.lanes);
    machine.lay({ ...this.eyeSizes(), points: tiles });
    program.data.forEach((_, i) => machine.view(`data${i}`).set(this.settings.data[i]));
    machine.put("points", points.length, (i) => points[i]);
    machine.call("evaluate", 0, tiles);
    const read = machine.rows("heights");
    return points.map((_, i) => read(i));
  }
  eyeSizes() {
    return {
      tiles: 1,
      steps: 1,
      kept: 1,
      streams: 1,
      span: 1,
      samples: countSamples(this.machine("eye").program, this.settings),
      batch: 0,
    };
  }

  after() {
    showSettings(this);
    for (const chart of this.part.list) if (chart.drawn) placeHandles(chart);
    rememberAddress(this);
  }
  say() {
    sayState(this);
  }
}

function* keepLast(job, keep) {
  for (const each of job) {
    keep(each);
    yield;
  }
}

// Predictions for the data, as rows of the table: inputs, targets, outputs.
const predictionsOf = (session, k) => {
  const { live, part, settings } = session,
    rows = part.cells.predictions.length;
  if (!session.canPredict || !rows || !live.data.length || !part.predictions.length) return undefined;
  const [inputs] = live.data,
    wide = sizeOf(inputs.shape.slice(1)),
    count = Math.min(rows, settings.data[0].length / wide);
  const points = range(count).map((i) => Array.from(settings.data[0].subarray(i * wide, (i + 1) * wide)));
  const outputs = session.predict(modelAt(session.shown, k), points),
    between = part.predictions[0][0].length - wide - outputs[0].length;
  const targets = (i) => (session.samples?.deep === between ? session.samples.target(i) : Array(Math.max(0, between)).fill(undefined));
  return points.map((point, i) => [...point, ...targets(i), ...outputs[i]]);
};

// `previous` is the part whose place this one takes: of the same scenario, its settings are kept.
const goLive = async (part, previous) => {
  if (part.live.reason || !(part.following || part.steps?.length)) return;
  const Kind = part.following ? ExplainedSession : Session;
  const box = part.element.querySelector(".live"),
    state = box.querySelector(".live-state");
  let session;
  box.hidden = false;
  try {
    if (!window.WebAssembly) throw new Error("this browser runs no WebAssembly");
    session = new Kind(part, part.live.programs);
    session.box = box;
    setUpMaps(session);
    const before = previous?.session;
    if (before && JSON.stringify(before.live.scenario) === JSON.stringify(part.live.scenario))
      session.settings = before.copyOf(before.settings);
    else if (!previous) recallAddress(session);
    await session.compile();
    session.machine("run");
  } catch (error) {
    state.textContent = `Not live: ${error.message}. The page ${part.following ? "shows" : "replays"} what Python computed.`;
    return;
  }
  part.session = session;
  setUpControls(session, box);
  session.start();
  session.check();
  part.element.dataset.live = "1";
  performance.mark("live");
};
