// An explained step whose numbers follow the controls: a program computes every number of the step from the state before it.

const STEP_TOLERANCE = { float64: 1e-9, float32: 1e-4 };
const MAX_ROUNDING_ULPS = 8;
const MAX_TYPED_DATA = 64; // entries of a data tensor that can be typed
const UPDATE_ROOM = 1e-30;

// Compute the numbers of a step; yields after each slice of the steps before it.
function* makeExplainedStep(machine, live, settings, step) {
  const { program } = machine;
  prepare(machine, live, { ...settings, steps: step + 1 }, 1, [], ["path", "norms"]);
  machine.put("starts", 1, () => startOf(live, settings));
  machine.put("varying", 1, () => varyingOf(program, settings));
  machine.call("uniform", 0, step + 1);
  const result = { fits: machine.call("begin", 0, 1) === 1, isDone: false },
    status = machine.rows("integers");
  for (const _ of inSlices(step, (from, to) => machine.call("descend", 0, 1, from, to) > 0, 32)) yield result;
  result.end = program.ends[status(0, 0)];
  result.endStep = status(0, 1);
  if (result.end === "going") {
    machine.call("observe", 0, 1, step);
    const { lanes } = machine.arrays.observed,
      view = machine.view("observed");
    result.values = Float64Array.from({ length: view.length / lanes }, (_, i) => view[i * lanes]);
    machine.call("descend", 0, 1, step, step + 1);
    result.endsHere = program.ends[status(0, 0)] !== "going";
  }
  result.isDone = true;
  yield result;
}

class ExplainedSession extends Session {
  constructor(part, programs) {
    super(part, programs);
    const { following } = part,
      find = (selector) => [...part.element.querySelectorAll(selector)];
    Object.assign(this, { following, canChangeSteps: false, body: find(".explanation")[0] });
    this.places = {
      tensors: find("[data-tensor]"),
      boxes: find("[data-boxed]"),
      texts: find("[data-text]"),
      updates: find("[data-update]"),
      losses: find("[data-loss]"),
      settings: find("[data-setting]"),
      clipped: find(".clipped"),
      recorded: find(".recorded"),
      rules: find(".rule"),
      change: find(".loss-change")[0],
    };
    for (const each of this.places.settings) each.dataset.isWhole = /^-?\d+$/.test(each.textContent);
    this.setUpData();
  }
  get numbers() {
    return this.settings.byProgram[0];
  }
  get usual() {
    return this.initial.byProgram[0];
  }
  get dtype() {
    return this.programs[0].dtype;
  }
  run() {
    let result = null;
    const job = makeExplainedStep(this.machine("run"), this.live, this.settingsFor(0), this.following.step);
    startJob(
      `${this.part.id} step`,
      RANKS.run,
      keepLast(job, (each) => {
        result = each;
      }),
      () => {
        if (result?.isDone && this.shown !== result) this.fill(result);
      },
    );
  }
  check() {}
  after() {
    showSettings(this);
    rememberAddress(this);
  }

  // The entries of the data are boxes to type in, where all samples make each step.
  setUpData() {
    if (this.programs[0].batch || !this.programs[0].data.length) return;
    this.inputs = [];
    this.following.data.forEach((index, which) => {
      const table = this.places.tensors.find((each) => Number(each.dataset.tensor) === index && each.matches("table.entries"));
      if (!table || this.settings.data[which].length > MAX_TYPED_DATA) return;
      table.querySelectorAll("td").forEach((cell, entry) => {
        const recorded = this.initial.data[which][entry],
          label = `${this.live.data[which].name}, entry ${entry}`;
        const box = element(cell, "input", { type: "number", step: "any", "aria-label": label, class: "datum" });
        cell.firstChild.remove();
        box.addEventListener("input", () => {
          const value = box.value === "" ? NaN : Number(box.value);
          if (!Number.isFinite(value)) return tell(this, `${label}: “${box.value}” is not a number.`);
          const data = this.settings.data.map((each) => each.slice());
          data[which][entry] = box.value === box.dataset.recorded ? recorded : value;
          this.change({ data });
        });
        this.inputs.push({ box, which, entry });
      });
      table.dataset.typed = "1";
    });
  }

  fill(result) {
    const { following, body } = this,
      changed = this.isChanged(),
      note = this.part.element.querySelector(".step-note");
    const isUnknown = result.values && result.values[following.leftOut] !== 0;
    const why =
      result.end !== "going"
        ? `With these numbers the run ends at step ${result.endStep}, before step ${following.step}: ${ENDS[result.end] ?? result.end}.`
        : result.endsHere && following.losses.length > 1
          ? `With these numbers the run ends at step ${following.step}, which makes no update.`
          : !result.fits || isUnknown
            ? "With these numbers the optimizer takes another way than the recorded one; explain the step in Python to see it."
            : "";
    this.shown = result;
    body.hidden = Boolean(why);
    note.textContent = why || (changed ? "Every number below is computed in this page, with the numbers above." : "");
    this.part.element.dataset.filled = String((Number(this.part.element.dataset.filled) || 0) + 1);
    this.say();
    if (why) return;
    this.values = result.values;
    this.showTensors();
    this.showTexts(changed);
    const mayFold = this.showUpdates();
    this.showOptimizer(mayFold);
    this.showLosses(changed);
    for (const each of this.places.recorded) each.hidden = changed;
  }
  tensor(index) {
    const [shape, places] = this.following.tensors[index];
    return { shape, values: places.map((place) => this.values[place]) };
  }
  showTensors() {
    const { digits, room, sign } = this.following;
    for (const each of this.places.tensors) {
      const { shape, values } = this.tensor(each.dataset.tensor);
      if (each.dataset.typed) continue;
      if (each.matches("table.entries"))
        each.querySelectorAll("td").forEach((cell, i) => {
          cell.textContent = shownNumber(values[i], digits);
        });
      else
        each.textContent = Number(each.dataset.room)
          ? shownTensor(values, shape, digits, Number(each.dataset.room))
          : describedTensor(values, shape, digits);
    }
    for (const { box, which, entry } of this.inputs ?? [])
      if (document.activeElement !== box) {
        box.value = shownNumber(this.settings.data[which][entry], digits);
        box.dataset.recorded = box.value;
      }
    for (const each of this.places.boxes) {
      const { shape, values } = this.tensor(each.dataset.boxed),
        head = each.classList.contains("slope") ? sign : "",
        text = head + shownTensor(values, shape, digits, room - head.length);
      each.dataset.whole = text;
      each.textContent = text.length > room + 1 ? `${text.slice(0, room)}…` : text;
    }
    for (const title of this.body.querySelectorAll("svg title")) {
      const [head] = title.textContent.split("\n"),
        texts = [...title.parentElement.querySelectorAll("[data-whole]")].map((each) => each.dataset.whole);
      title.textContent = [head, ...texts].join("\n");
    }
    for (const each of this.places.clipped) {
      const [, gradient, , used] = this.following.parameters[each.dataset.parameter],
        before = this.tensor(gradient).values;
      each.hidden = this.tensor(used).values.every((value, i) => Object.is(value, before[i]) || value === before[i]);
    }
  }
  showTexts(changed) {
    const { digits } = this.following,
      isData = changed && this.difference().includes("data");
    for (const each of this.places.texts) {
      const [head, pieces, place, ends, ofData] = this.following.texts[each.dataset.text],
        result = this.values[place];
      const write = (number) =>
        mergeParentheses(
          pieces
            .map((piece) =>
              typeof piece === "string"
                ? piece
                : number(typeof piece === "number" ? piece : piece.length > 1 ? 1 - this.values[piece[0]] : this.values[piece[0]]),
            )
            .join(""),
        );
      const terms = ofData && isData ? "" : workedText(write, result, digits, STEP_TOLERANCE[this.dtype]);
      each.parentElement.hidden = !terms || (ends && !head && terms === enclosed(plainNumber(result, digits)));
      each.textContent = `${head}${terms}${ends ? ` = ${plainNumber(result, digits)}` : ""}`;
    }
  }
  get rate() {
    return this.numbers.lr * (this.settings.schedule ? this.following.factor : 1);
  }
  setting(name) {
    return name === "lr" || name === "rate" ? this.rate : this.numbers[name];
  }

  // The update of each parameter's first entry, line by line; returns whether terms that were left out may be needed.
  showUpdates() {
    const isNeutral = (name, numbers) => numbers[name] === 0 || numbers[name] === 1,
      names = Object.keys(this.usual);
    const mayFold = names.some(
      (name) => name !== "lr" && this.numbers[name] !== this.usual[name] && (isNeutral(name, this.numbers) || isNeutral(name, this.usual)),
    );
    for (const each of this.places.updates) {
      const texts = mayFold ? null : this.updateTexts(this.following.updates[each.dataset.update]);
      each.hidden = !texts;
      if (!texts) continue;
      const lines = [...each.querySelectorAll(".written")];
      texts.filter(Boolean).forEach((text, i) => {
        (lines[i] ?? element(each, "div", { class: "written" })).textContent = text;
      });
      lines.slice(texts.filter(Boolean).length).forEach((line) => line.remove());
    }
    return mayFold;
  }
  updateTexts({ numbers, lines, gives }) {
    const read = (piece) =>
      Array.isArray(piece) ? (typeof piece[0] === "string" ? this.setting(piece[0]) : this.values[piece[0]]) : (piece ?? NaN);
    const known = Object.fromEntries(Object.entries(numbers).map(([name, piece]) => [name, read(piece)])),
      first = { ...known },
      texts = [];
    try {
      for (const [target, pieces] of lines) {
        const write = (number) =>
          pieces.map((piece) => (typeof piece === "string" ? piece : number(typeof piece === "number" ? piece : known[piece[0]]))).join("");
        const value = readFormula(write((each) => enclosed(reprText(each)))),
          moved = Math.abs(value - (known[target] ?? value));
        let { digits } = this.following;
        if (target === "p" && moved > 0 && moved < Infinity)
          digits = Math.min(MAX_DIGITS, Math.max(digits, 2 - Math.floor(Math.log10(moved))));
        const terms = workedText(write, value, digits, STEP_TOLERANCE.float64);
        texts.push(terms ? `${target} = ${terms} = ${plainNumber(value, digits)}` : "");
        known[target] = value;
      }
    } catch {
      return null;
    }
    const half = STEP_TOLERANCE[this.dtype],
      after = this.values[gives.p],
      room = half * (Math.abs(after - first.p) + Math.abs(first.p) / 10);
    const isMade =
      Math.abs(known.p - after) <= room &&
      Object.entries(gives).every(
        ([name, place]) =>
          name === "p" ||
          !(name in known) ||
          Math.abs(known[name] - this.values[place]) <= half * Math.abs(this.values[place]) + UPDATE_ROOM,
      );
    return isMade ? texts : null;
  }
  showOptimizer(mayFold) {
    for (const each of this.places.settings) {
      const { setting, isWhole } = each.dataset,
        value = this.setting(setting),
        isOwn = setting !== "rate";
      const isTable = each.closest(".symbols") !== null,
        number = isOwn ? this.numbers[setting] : value;
      each.textContent =
        isWhole === "true" && Number.isInteger(number) ? String(number) : isTable ? reprText(number) : generalText(number, 6);
    }
    for (const each of this.places.rules) each.hidden = mayFold;
  }
  showLosses(changed) {
    const { losses, digits, changes } = this.following,
      [before, after] = losses.map((place) => this.values[place]),
      { change } = this.places;
    for (const each of this.places.losses) each.textContent = shownNumber([before, after][each.dataset.loss], digits);
    change.hidden = !changed || losses.length < 2;
    if (change.hidden) return;
    const kind = !Number.isFinite(before)
      ? "was"
      : !Number.isFinite(after)
        ? "is"
        : after < before
          ? "fell"
          : Math.abs(after - before) <= MAX_ROUNDING_ULPS * EPSILON[this.dtype] * Math.abs(before)
            ? "stayed"
            : ["overshot", "rose", "uphill"][Math.sign(this.slope()) + 1];
    const telling =
      range(13)
        .map((i) => i + 4)
        .find((each) => generalText(before, each) !== generalText(after, each)) ?? 4;
    change.textContent = changes[kind].replace(/\{(before|after):\.(\d+|\{digits\})g\}/g, (_, which, many) =>
      generalText(which === "before" ? before : after, Number(many) || telling),
    );
  }
  // The derivative of the loss along the step.
  slope() {
    return this.following.parameters.reduce((sum, [before, gradient, after]) => {
      if (gradient === null || after === null) return sum;
      const [old, slope, now] = [before, gradient, after].map((index) => this.tensor(index).values);
      return sum + slope.reduce((part, each, i) => part + each * (now[i] - old[i]), 0);
    }, 0);
  }
  say() {
    this.box.querySelector(".live-state").textContent =
      `Live, in ${this.dtype}: the numbers of step ${this.following.step} follow these controls.`;
  }
}
