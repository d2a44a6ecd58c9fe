// What can be dragged on a chart, or moved by keys: the start of the run, and the data points.

const HANDLE = 8,
  SAMPLE = 6,
  KEY_SHARE = 0.01; // sizes in pixels; a key moves by this share of the axis
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  (r) => `M0 ${-1.2 * r}L${1.1 * r} ${r}H${-1.1 * r}Z`,
  (r) => `M${-r} ${-r / 3}H${-r / 3}V${-r}H${r / 3}V${-r / 3}H${r}V${r / 3}H${r / 3}V${r}H${-r / 3}V${r / 3}H${-r}Z`,
];
const CLASS_COLOURS = ["blue", "orange", "green", "purple", "brown", "sky", "red", "grey"];

const axesOf = (chart) => {
  const { xaxis: x, yaxis: y } = chart.plot._fullLayout;
  return { x, y };
};

const layerOf = (chart) => {
  if (chart.handles) return chart.handles;
  const layer = make(chart.plot.parentElement, "svg", {
    class: "handles",
    role: "group",
    "aria-label": chart.samples ? "Data points" : "Start",
  });
  chart.handles = { layer, box: make(layer, "svg", { overflow: "hidden" }), start: null, samples: [] };
  if (chart.samples && canAdd(chart.part.session)) {
    chart.handles.ground = make(chart.handles.box, "rect", { class: "adder", width: "100%", height: "100%" });
    chart.handles.ground.addEventListener("click", (event) => chart.part.session.samples.add(placeAt(chart, event)));
  }
  return chart.handles;
};
const placeAt = (chart, event) => {
  const { x, y } = axesOf(chart),
    corner = chart.plot.getBoundingClientRect();
  return [x.p2d(event.clientX - corner.left - x._offset), y.p2d(event.clientY - corner.top - y._offset)];
};

// Let an element be dragged and moved by keys. `where` says where it is, `to` moves it, `key` takes other keys.
const letMove = (chart, element, where, to, key = () => false) => {
  let isHeld = false;
  element.addEventListener("pointerdown", (event) => {
    isHeld = true;
    element.setPointerCapture(event.pointerId);
    element.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  element.addEventListener("pointermove", (event) => {
    if (isHeld) to(placeAt(chart, event));
  });
  for (const end of ["pointerup", "pointercancel"])
    element.addEventListener(end, () => {
      isHeld = false;
    });
  element.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const { x, y } = axesOf(chart),
        share = KEY_SHARE * (event.shiftKey ? 10 : 1),
        at = where();
      to([x, y].map((axis, i) => axis.p2d(axis.d2p(at[i]) + arrow[i] * (i ? -1 : 1) * share * axis._length)));
    } else if (!key(event.key)) return;
    event.preventDefault();
  });
};

const placeHandles = (chart) => {
  const { session } = chart.part;
  if (!session?.shown || !chart.drawn || !(chart.start || (chart.samples && session.samples))) return;
  const handles = layerOf(chart),
    { x, y } = axesOf(chart),
    colours = theme();
  setAttributes(handles.layer, {
    style: `left:${chart.plot.offsetLeft}px;top:${chart.plot.offsetTop}px;width:${chart.plot.clientWidth}px;height:${chart.plot.clientHeight}px`,
  });
  setAttributes(handles.box, { x: x._offset, y: y._offset, width: x._length, height: y._length });
  if (chart.start) placeStart(chart, handles, x, y, colours);
  if (chart.samples && session.samples) placeSamples(chart, handles, x, y, colours);
};

// The start: on contours two entries, on a curve one.
const startPlace = (chart) => {
  const {
      start: entries,
      part: { session },
    } = chart,
    start = startOf(session.live, session.settings);
  return entries.length > 1 ? entries.map((entry) => start[entry]) : [start[entries[0]], session.evaluate([Array.from(start)])[0]];
};
const placeStart = (chart, handles, x, y, colours) => {
  if (!handles.start) {
    handles.start = make(handles.box, "path", { class: "handle", tabindex: 0, role: "button", d: SHAPES[0](HANDLE), "stroke-width": 3 });
    letMove(
      chart,
      handles.start,
      () => startPlace(chart),
      (place) => {
        const { session } = chart.part,
          start = Float64Array.from(startOf(session.live, session.settings));
        chart.start.forEach((entry, i) => {
          if (Number.isFinite(place[i])) start[entry] = place[i];
        });
        session.change({ start });
      },
    );
  }
  const [a, b] = startPlace(chart);
  const label = `Start at ${[a, b]
    .slice(0, chart.start.length)
    .map((each) => short(each))
    .join(", ")}; arrow keys move it`;
  setAttributes(handles.start, {
    transform: `translate(${x.d2p(a)} ${y.d2p(b)})`,
    fill: colours.paper,
    stroke: colours.red,
    "aria-label": label,
  });
};

// The samples: one of them is in the order of the Tab key, and the keys n and p go to the next and the previous one.
const placeSamples = (chart, handles, x, y, colours) => {
  const { samples } = chart.part.session,
    { count, classes } = samples;
  while (handles.samples.length > count) handles.samples.pop().remove();
  while (handles.samples.length < count) handles.samples.push(makeSample(chart, handles, handles.samples.length));
  handles.current = Math.min(handles.current ?? 0, count - 1);
  const keys = sampleKeys(chart.part.session);
  handles.samples.forEach((element, i) => {
    const [a, b] = samples.at(i),
      kind = samples.classOf(i);
    setAttributes(element, {
      d: SHAPES[kind % SHAPES.length](SAMPLE),
      transform: `translate(${x.d2p(a)} ${y.d2p(b)})`,
      stroke: colours.paper,
      tabindex: i === handles.current ? 0 : -1,
      fill: classes === 2 ? [colours.blue, colours.red][kind] : colours[CLASS_COLOURS[kind % CLASS_COLOURS.length]],
      "aria-label": `Sample ${i} of ${count}, counted from 0${classes ? `, class ${kind}` : ""}, at ${short(a)}, ${short(b)}; ${keys}`,
    });
  });
};
const sampleKeys = (session) =>
  `arrow keys move it, n and p go to others${session.samples.classes ? ", c changes its class" : ""}${canAdd(session) ? ", Delete removes it" : ""}`;
const makeSample = (chart, handles, i) => {
  const { session } = chart.part,
    { samples } = session,
    element = make(handles.box, "path", { class: "handle sample", role: "button", "stroke-width": 1.2 });
  const go = (to) => {
    handles.current = (to + samples.count) % samples.count;
    placeHandles(chart);
    handles.samples[handles.current].focus();
  };
  const recolour = () => {
    if (samples.classes) samples.setClass(i, (samples.classOf(i) + 1) % samples.classes);
  };
  const remove = () => {
    if (!canAdd(session)) return;
    samples.remove(i);
    go(Math.min(i, samples.count - 1));
  };
  const keys = { n: () => go(i + 1), p: () => go(i - 1), c: recolour, Delete: remove, Backspace: remove };
  letMove(
    chart,
    element,
    () => samples.at(i),
    (place) => samples.move(i, place),
    (key) => {
      keys[key]?.();
      return Object.hasOwn(keys, key);
    },
  );
  element.addEventListener("focus", () => {
    handles.current = i;
  });
  element.addEventListener("dblclick", recolour);
  return element;
};
const canAdd = (session) => session.programs.every((program) => program.apart);

// Traces that handles take the place of.
const isReplaced = (chart, trace) => trace.meta === "samples" && Boolean(chart.part.session?.shown && chart.part.session.samples);
