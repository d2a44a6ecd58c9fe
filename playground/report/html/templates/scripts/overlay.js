// Draw moving parts as an overlay: redrawing a whole chart takes 50 ms.

const SVG = "http://www.w3.org/2000/svg",
  DASH = { dash: "8 5", dot: "2 4", dashdot: "8 4 2 4", longdash: "13 5", longdashdot: "13 5 2 5" };
// Set attributes that are not as wanted: a change of an attribute costs more than a look at it.
const setAttributes = (element, wanted) => {
  for (const [name, value] of Object.entries(wanted)) if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};
const make = (parent, name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
};

// Draw a moving grid below the chart: one pixel per cell, scaled by the browser, and the level as a line.

const shades = (scale) => {
  const stops = scale.map(([at, hex]) => [at, [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16))]);
  return Array.from({ length: 256 }, (_, i) => {
    const after = Math.max(
        1,
        stops.findIndex(([at]) => at >= i / 255),
      ),
      [[low, from], [high, to]] = stops.slice(after - 1, after + 1);
    return from.map((each, k) => each + ((to[k] - each) * (i / 255 - low)) / (high - low));
  });
};
const pixels = ({ grid: { rows, columns, value }, heat }, k, colours) => {
  const small = document.createElement("canvas"),
    context = small.getContext("2d"),
    scale = shades(colours.diverging);
  [small.width, small.height] = [columns, rows];
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const share = (value(k, row, column) - heat.zmin) / (heat.zmax - heat.zmin);
      if (!isNaN(share))
        image.data.set([...scale[Math.round(255 * Math.min(1, Math.max(0, share)))], 255], 4 * ((rows - 1 - row) * columns + column));
    }
  context.putImageData(image, 0, 0);
  return small;
};
const outline = (context, { grid: { rows, columns, value }, level }, k, x, y) => {
  const corners = [
    [0, 0],
    [0, 1],
    [1, 1],
    [1, 0],
  ];
  context.beginPath();
  for (let row = 0; row + 1 < rows; row++)
    for (let column = 0; column + 1 < columns; column++) {
      const values = corners.map(([down, right]) => value(k, row + down, column + right) - level),
        crossings = [];
      for (let i = 0; i < 4; i++) {
        const a = values[i],
          b = values[(i + 1) % 4],
          [from, to] = [corners[i], corners[(i + 1) % 4]];
        if (a < 0 !== b < 0 && isFinite(a) && isFinite(b))
          crossings.push([column + from[1] + ((to[1] - from[1]) * a) / (a - b), row + from[0] + ((to[0] - from[0]) * a) / (a - b)]);
      }
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        context.moveTo(x(crossings[i][0]), y(crossings[i][1]));
        context.lineTo(x(crossings[i + 1][0]), y(crossings[i + 1][1]));
      }
    }
  context.stroke();
};
const ground = (chart) => {
  const moving = chart.moves.find((each) => each.frames?.z);
  if (!moving) return null;
  const [heat, edge] = moving.traces.map((index) => chart.data[index]);
  return { grid: unpack(moving.frames.z), heat, level: edge?.contours.start };
};
const spread = (chart) => {
  const { xaxis: x, yaxis: y } = chart.plot._fullLayout,
    colours = theme(),
    sharp = devicePixelRatio;
  if (!chart.under) {
    chart.under = document.createElement("canvas");
    chart.under.className = "under";
    chart.plot.before(chart.under);
  }
  const canvas = chart.under,
    { heat, level, grid } = chart.ground;
  setAttributes(canvas, {
    style: `left:${chart.plot.offsetLeft + x._offset}px;top:${chart.plot.offsetTop + y._offset}px;width:${x._length}px;height:${y._length}px`,
    width: Math.round(x._length * sharp),
    height: Math.round(y._length * sharp),
  });
  const context = canvas.getContext("2d"),
    [left, right, bottom, top] = [x.d2p(heat.x[0]), x.d2p(heat.x.at(-1)), y.d2p(heat.y[0]), y.d2p(heat.y.at(-1))];
  const [wide, high] = [(right - left) / (grid.columns - 1), (bottom - top) / (grid.rows - 1)];
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, x._length, y._length);
  context.imageSmoothingEnabled = level !== undefined;
  context.drawImage(pixels(chart.ground, chart.shown, colours), left - wide / 2, top - high / 2, right - left + wide, bottom - top + high);
  if (level === undefined) return;
  [context.strokeStyle, context.lineWidth, context.lineCap] = [colours.ink, 2, "round"];
  outline(
    context,
    chart.ground,
    chart.shown,
    (column) => left + column * wide,
    (row) => bottom - row * high,
  );
};

// What a trace shows at a position: the point `at` it, the path `upto` it, or a frame; by name, rows that the page computed.
// A move that has names only is of a run that the page computes, and shows all of its rows.
const range = (count) => Array.from({ length: count }, (_, i) => i);
const isActive = (chart, each) => Boolean(each.at || each.upto || each.frames || chart.part.session?.shown);
const moves = (chart, trace) =>
  chart.data[trace].type === "scatter" && chart.moves.some((each) => each.traces.includes(trace) && isActive(chart, each));
const placesOf = (chart, each, trace, k, result) => {
  const change = { x: chart.data[trace].x, y: chart.data[trace].y },
    { session } = chart.part;
  const named = session?.shown ? (each.live ?? {}) : {},
    way = each.at ? "at" : each.upto ? "upto" : each.frames ? "frames" : "whole";
  for (const key of Object.keys(each[way] ?? named)) {
    const value = named[key] ? quantity(session, result, chart, named[key]) : (i) => each[way][key][i];
    const first = value(way === "at" || way === "frames" ? k : 0);
    if (way === "frames" || Array.isArray(first))
      change[key] = first; // not a row for each step
    else change[key] = (way === "at" ? [k] : range(way === "upto" ? k + 1 : rowCount(result))).map(value);
  }
  return change.x.map((value, i) => [value, change.y[i]]);
};

const MARKS = 200; // a path has marks at no more rows
const discs = (places, radius) =>
  places
    .map(
      ([x, y]) =>
        `M${(x - radius).toFixed(1)} ${y.toFixed(1)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0`,
    )
    .join("");
const paint = (chart) => {
  const layout = chart.plot._fullLayout,
    colours = theme();
  if (!chart.moved) return;
  chart.ground = chart.ground ?? ground(chart);
  if (chart.ground) spread(chart);
  if (!chart.over) chart.over = make(chart.plot.parentElement, "svg", { class: "over", "aria-hidden": "true" });
  setAttributes(chart.over, {
    style: `left:${chart.plot.offsetLeft}px;top:${chart.plot.offsetTop}px;width:${chart.plot.clientWidth}px;height:${chart.plot.clientHeight}px`,
  });
  chart.over.replaceChildren();
  for (const [index, points, isBeside] of chart.moved) {
    const trace = coloured(chart.data[index], colours),
      x = layout[`xaxis${(trace.xaxis ?? "x").slice(1)}`],
      y = layout[`yaxis${(trace.yaxis ?? "y").slice(1)}`];
    if (!x || !y) continue;
    const box = make(chart.over, "svg", { x: x._offset, y: y._offset, width: x._length, height: y._length });
    const places = points
      .map(([a, b]) => (a === null || b === null ? null : [x.d2p(stepped(chart)(a)), y.d2p(b)]))
      .map((place) => (place?.every(Number.isFinite) ? place : null));
    const colour = isBeside ? colours.purple : (trace.line?.color ?? trace.marker?.color);
    if (trace.mode.includes("lines")) {
      const path = places
        .map((place, i) => (place ? `${i && places[i - 1] ? "L" : "M"}${place[0].toFixed(1)} ${place[1].toFixed(1)}` : ""))
        .join("");
      make(box, "path", {
        d: path,
        fill: "none",
        stroke: colour,
        "stroke-width": (trace.line?.width ?? 2) + (isBeside ? 1 : 0),
        "stroke-dasharray": isBeside ? DASH.dash : (DASH[trace.line?.dash] ?? "none"),
      });
    }
    if (!trace.mode.includes("markers")) continue;
    const [place] = places,
      isSingle = places.length === 1;
    if (isSingle) box.setAttribute("overflow", "visible");
    if (isSingle && !(place && place[0] >= -1 && place[1] >= -1 && place[0] <= x._length + 1 && place[1] <= y._length + 1)) continue;
    const marked = trace.mode === "markers" ? places : places.slice(0, MARKS);
    make(box, "path", {
      d: discs(marked.filter(Boolean), (trace.marker?.size ?? 6) / 2),
      fill: isBeside ? colour : (trace.marker?.color ?? colour),
      stroke: trace.marker?.line?.color ?? "none",
      "stroke-width": 1.5,
    });
  }
};
const move = (chart) => {
  const k = chart.part.position,
    { session } = chart.part;
  if (!chart.moves.length || k === undefined) return;
  chart.moved = [];
  for (const each of chart.moves)
    if (!each.frames?.z && isActive(chart, each))
      for (const trace of each.traces) {
        if (session?.other && each.beside)
          chart.moved.push([trace, placesOf(chart, each, trace, positionOf(session.other, chart.part.steps[k]), session.other), true]);
        chart.moved.push([trace, placesOf(chart, each, trace, k, session?.shown)]);
      }
  if (session?.shown && chart.grid && session.canPredict)
    chart.ground = { ...(chart.ground ?? ground(chart)), grid: scoresOf(session, chart, k) };
  chart.shown = k;
  if (session?.shown) fitAxes(chart);
  paint(chart);
};
