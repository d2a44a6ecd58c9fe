// The controls of a live part: every number of the optimizer, the schedule, steps, seed, start and data.

const TICKS = 1000; // positions of a slider

const element = (parent, name, attributes = {}, text = "") => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
};

// A slider with a box to type in; both have the label. `read` gives the value, `write` takes a new one.
const addDial = (session, parent, { name, low, high, isLog = false, isWhole = false, read, write }) => {
  const id = `${session.part.id}-${name.replace(/\W+/g, "-")}`,
    row = element(parent, "div", { class: "dial", "data-dial": name });
  element(row, "label", { for: id }, name);
  const slider = element(row, "input", { id, type: "range", min: 0, max: TICKS, step: 1 }),
    box = element(row, "input", { type: "number", step: "any", "aria-label": `${name}, typed` });
  const toTick = (value) => TICKS * (isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const toValue = (tick) => {
    const value = isLog ? low * (high / low) ** (tick / TICKS) : low + ((high - low) * tick) / TICKS;
    return isWhole ? Math.round(value) : Number(value.toPrecision(3));
  };
  slider.addEventListener("input", () => write(toValue(Number(slider.value))));
  box.addEventListener("change", () => {
    const value = Number(box.value),
      isGood = box.value !== "" && Number.isFinite(value) && (!isWhole || (Number.isInteger(value) && value >= low && value <= high));
    box.setCustomValidity(isGood ? "" : isWhole ? `a whole number from ${low} to ${high}` : "a number");
    if (isGood) write(value);
    else {
      box.reportValidity();
      tell(session, `${name}: “${box.value}” is not ${isWhole ? `a whole number from ${low} to ${high}` : "a number"}.`);
    }
  });
  return () => {
    const value = read();
    slider.value = Math.max(0, Math.min(TICKS, toTick(value)));
    slider.setAttribute("aria-valuetext", short(value));
    if (document.activeElement !== box || Number(box.value) !== value) box.value = Number(value.toPrecision(6));
  };
};

const addChoice = (session, parent, name, options, read, write) => {
  const id = `${session.part.id}-${name}`,
    row = element(parent, "div", { class: "dial choice", "data-dial": name });
  element(row, "label", { for: id }, name);
  const select = element(row, "select", { id });
  for (const [value, text] of options) element(select, "option", { value }, text);
  select.addEventListener("change", () => write(Number(select.value)));
  return () => {
    select.value = read();
  };
};

const addSwitch = (session, parent, name, read, write) => {
  const row = element(parent, "div", { class: "dial switch", "data-dial": name }),
    label = element(row, "label", {}, `${name} `),
    box = element(label, "input", { type: "checkbox" });
  box.addEventListener("change", () => write(box.checked));
  return () => {
    box.checked = read();
  };
};

const guessedRange = (value) => (value > 0 ? [value / 100, value * 100, true] : [-1, 1, false]);

const setUpControls = (session, box) => {
  session.box = box;
  const buttons = box.querySelector(".live-buttons");
  const acts = {
    Reset: () => session.reset(),
    "Copy as YAML": () => copyText(session, () => writeYaml(session), "The scenario with these numbers is in the clipboard."),
    ...(hasAddress() ? { "Copy link": () => copyText(session, () => linkOf(session), toldOfLink(session)) } : {}),
  };
  for (const [name, act] of Object.entries(acts)) element(buttons, "button", { type: "button" }, name).addEventListener("click", act);
  showDials(session);
};

const toldOfLink = (session) =>
  session.difference().includes("data")
    ? "The address of this state is in the clipboard, without the data points that were changed."
    : "The address of this state is in the clipboard.";

// Make the controls anew for the chosen optimizer.
const showDials = (session) => {
  const { live, programs, settings, part } = session,
    dials = session.box.querySelector(".dials"),
    program = programs[settings.program],
    shows = [];
  dials.replaceChildren();
  const names = programs.map((each, i) => [i, each.name]);
  if (programs.length > 1) {
    shows.push(
      addChoice(
        session,
        dials,
        "optimizer",
        names,
        () => session.settings.program,
        (value) => {
          session.change({ program: value, beside: session.settings.beside === value ? -1 : session.settings.beside });
        },
      ),
    );
    shows.push(
      addChoice(
        session,
        dials,
        "beside it",
        [[-1, "none"], ...names],
        () => session.settings.beside,
        (value) => session.change({ beside: value }),
      ),
    );
  }
  addNumbers(session, dials, shows, settings.program, (name) => name);
  if (settings.beside >= 0) addNumbers(session, dials, shows, settings.beside, (name) => `beside ${name}`);
  if (live.factors)
    shows.push(
      addSwitch(
        session,
        dials,
        "schedule",
        () => session.settings.schedule,
        (value) => session.change({ schedule: value }),
      ),
    );
  if (session.canChangeSteps ?? true)
    shows.push(
      addDial(session, dials, {
        name: "steps",
        low: 1,
        high: live.most,
        isWhole: true,
        read: () => session.settings.steps,
        write: (value) => session.change({ steps: value }),
      }),
    );
  if (live.seeds.length > 1)
    shows.push(
      addDial(session, dials, {
        name: "seed",
        low: live.seeds[0],
        high: live.seeds.at(-1),
        isWhole: true,
        read: () => live.seeds[session.settings.seed],
        write: (value) => session.change({ seed: Math.max(0, live.seeds.indexOf(value)), start: null }),
      }),
    );
  addStart(session, dials, shows);
  addSamples(session, dials, shows);
  session.shows = { program: settings.program, beside: settings.beside, all: shows };
};

// The numbers of an optimizer.
const addNumbers = (session, dials, shows, program, label) => {
  for (const [name, value, low, high, isLog] of [...session.programs[program].varying, ...session.programs[program].dials]) {
    const [least, most, byRatio] = low === null ? guessedRange(value) : [low, high, isLog];
    shows.push(
      addDial(session, dials, {
        name: label(name),
        low: least,
        high: most,
        isLog: byRatio,
        read: () => session.settings.byProgram[program][name],
        write: (number) => session.setNumber(program, name, number),
      }),
    );
  }
};

const addSamples = (session, dials, shows) => {
  const { samples } = session;
  if (!samples) return;
  shows.push(
    addDial(session, dials, {
      name: "added noise",
      low: 0,
      high: 1,
      read: () => session.settings.noise,
      write: (value) => samples.setNoise(value),
    }),
  );
  if (!canAdd(session)) return;
  shows.push(
    addDial(session, dials, {
      name: "batch size",
      low: 1,
      high: samples.count,
      isWhole: true,
      read: () => Math.min(session.settings.batch, samples.count),
      write: (value) => session.change({ batch: value < samples.count ? value : Infinity }),
    }),
  );
  if (samples.classes)
    shows.push(
      addChoice(
        session,
        dials,
        "class of a new point",
        range(samples.classes).map((each) => [each, each]),
        () => samples.newClass,
        (value) => {
          samples.newClass = value;
        },
      ),
    );
  element(dials, "button", { type: "button" }, "Add a point").addEventListener("click", () => samples.add(middleOf(session)));
};
const middleOf = ({ part }) => {
  const { layout } = part.list.find((chart) => chart.samples);
  return [layout.xaxis, layout.yaxis].map(({ range: [low, high] }) => (low + high) / 2);
};

const MAX_TYPED = 4; // entries of a start that can be typed
const addStart = (session, dials, shows) => {
  const { live } = session,
    names = live.parameters.flatMap(([name, shape]) =>
      sizeOf(shape) === 1 ? [name] : range(sizeOf(shape)).map((i) => `${name}[${placeIn(shape, i).join(", ")}]`),
    );
  if (live.entries > MAX_TYPED) return;
  names.forEach((name, entry) => {
    const values = live.seeds.map((_, seed) => Math.abs(live.starts[seed * live.entries + entry])),
      far = Math.max(1, 2 * Math.max(...values)),
      chart = session.part.list.find((each) => each.start?.includes(entry));
    const [low, high] = chart?.layout[`${"xy"[chart.start.indexOf(entry)]}axis`]?.range ?? [-far, far];
    shows.push(
      addDial(session, dials, {
        name: `start ${name}`,
        low,
        high,
        read: () => startOf(live, session.settings)[entry],
        write: (value) => {
          const start = Float64Array.from(startOf(live, session.settings));
          start[entry] = value;
          session.change({ start });
        },
      }),
    );
  });
};
const placeIn = (shape, index) => shape.map((size, axis) => Math.floor(index / sizeOf(shape.slice(axis + 1))) % size);

const showSettings = (session) => {
  if (["program", "beside"].some((name) => session.shows[name] !== session.settings[name])) showDials(session);
  session.shows.all.forEach((each) => each());
  const changed = session.difference();
  for (const row of session.box.querySelectorAll(".dial")) row.classList.toggle("changed", changed.includes(row.dataset.dial));
};

// What the part says of itself: whether it agrees with Python, what ended the run, and what it is sensitive to.
const tell = (session, sentence) => {
  session.box.querySelector(".live-told").textContent = sentence;
};
const sayState = (session) => {
  const { agreement, shown, live } = session,
    { dtype } = shown.program,
    state = session.box.querySelector(".live-state");
  const parts = [`Live, in ${dtype}.`];
  if (agreement)
    parts.push(
      agreement.away <= AGREEMENT[dtype]
        ? agreement.away
          ? `The scenario's own run agrees with Python's losses to ${agreement.away.toExponential(0)}.`
          : "The scenario's own run has Python's losses, bit for bit."
        : `The losses of the scenario's own run differ from Python's by up to ${short(agreement.away, 2)}${agreement.moved > AGREEMENT[dtype] ? ": the run is sensitive, and a rounding of its start moves it by as much" : ""}.`,
    );
  if (!shown.fits)
    parts.push("With these numbers the optimizer takes another way than the recorded one; run the scenario in Python to see it.");
  else if (shown.isUnknown) parts.push("The run took a way that was not recorded.");
  else if (session.isChanged() && shown.moved > AGREEMENT[dtype])
    parts.push("This run is sensitive: a rounding of its start moves its losses.");
  const end = ENDS[shown.end];
  parts.push(end ? `Ended at step ${shown.made}: ${end}.` : `All ${shown.made} steps used; last loss ${short(shown.last)}.`);
  const other = session.other;
  if (other?.isDone)
    parts.push(
      `Beside it, dashed in purple, ${session.programs[session.settings.beside].name}: ${ENDS[other.end] ? `ended at step ${other.made}, ${ENDS[other.end]}` : `last loss ${short(other.last)}`}.`,
    );
  if (session.isChanged()) parts.push(sayJudged(session));
  state.textContent = parts.join(" ");
  showChanged(session, parts.slice(1).join(" "));
};

// What the page says of the recorded run is marked as such, and charts are described by the run that they show.
const showChanged = (session, sentence) => {
  session.part.element.classList.toggle("changed-run", session.isChanged());
  for (const { figure, plot } of session.part.list)
    if (session.isChanged())
      plot.setAttribute("aria-label", `${figure.querySelector("h3").textContent}, computed in this page. ${sentence}`);
};
