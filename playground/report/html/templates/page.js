"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LIGHT = { ink: "#1b2530", dim: "#56616e", paper: "#ffffff", line: "#d5dce4", blue: "#0072b2", orange: "#b35900",
    green: "#007a5a", purple: "#a8457f", brown: "#8a6100", sky: "#2f86b8", red: "#c8440a", grey: "#5f6770", gold: "#f0e442",
    diverging: [[0, "#9cc9e8"], [.5, "#f6f6f6"], [1, "#f3b48c"]] };
  const DARK = { ink: "#e5eaf0", dim: "#a5b0bd", paper: "#12171d", line: "#36414e", blue: "#56b4e9", orange: "#e69f00",
    green: "#3cc79a", purple: "#e59cc6", brown: "#d9c36a", sky: "#9ad4ff", red: "#ff8a4c", grey: "#aab4bf", gold: "#f0e442",
    diverging: [[0, "#1d4f74"], [.5, "#23282f"], [1, "#7a3c14"]] };
  const dark = matchMedia("(prefers-color-scheme: dark)"), printing = matchMedia("print");
  const theme = () => (dark.matches && !printing.matches ? DARK : LIGHT);

  // Numbers

  const short = (value, digits = 4) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    return size >= 1e6 || (size < 1e-4 && size > 0) ? value.toExponential(digits - 1).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(digits)));
  };

  const unpack = (packed) => {
    const bytes = Uint8Array.from(atob(packed.data), (each) => each.charCodeAt(0));
    const view = new DataView(bytes.buffer), [, rows, columns] = packed.shape, scale = (packed.high - packed.low) / 65534;
    const value = (k, row, column) => {
      const whole = view.getUint16(2 * ((k * rows + row) * columns + column), true);
      return whole === 65535 ? NaN : packed.low + whole * scale;
    };
    return { rows, columns, value };
  };

  // Charts

  // Plotly interprets texts as HTML. Escape names and values so that they appear literally; `ticktext` is the page's own.
  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  const coloured = (value, colours) => {
    if (typeof value === "string" && value[0] === "@") {
      const [name, alpha] = value.slice(1).split("/");  // `@blue/2e`: blue with opacity 2e (hexadecimal)
      if (Object.hasOwn(colours, name)) return alpha ? colours[name] + alpha : colours[name];
    }
    if (typeof value === "string") return value.replace(/[&<>]/g, (sign) => ENTITIES[sign]);
    if (Array.isArray(value)) return typeof value[0] === "number" || Array.isArray(value[0]) ? value : value.map((each) => coloured(each, colours));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, key === "ticktext" ? each : coloured(each, colours)]));
    return value;
  };

  // A logarithmic axis has no position for step 0, whose loss is important: draw it at the left of step 1.

  const START = 0.5;
  const logSteps = (chart) => chart.scales["log steps"] && chart.layout.xaxis.type === "log";
  const stepped = (chart) => (logSteps(chart) ? (value) => (value === 0 ? START : value) : (value) => value);
  const DECADES = Array.from({ length: 10 }, (_, i) => 10 ** i);

  const layoutOf = (chart, colours) => {
    const layout = coloured(chart.layout, colours), narrow = chart.plot.clientWidth < 480;
    const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
    for (const key of axes) {
      layout[key] = { gridcolor: colours.line, zerolinecolor: colours.line, linecolor: colours.dim, automargin: true, ticklabelstandoff: 6, exponentformat: "power", nticks: narrow ? 6 : 10, ...layout[key] };
      layout[key].title = { standoff: 10, ...layout[key].title };
      if (layout[key].type === "log") layout[key].nticks = Math.min(layout[key].nticks, 5);
    }
    if (logSteps(chart)) Object.assign(layout.xaxis, { tickvals: [START, ...DECADES], ticktext: ["0", ...DECADES.map((each) => each.toLocaleString("en"))] });
    return { font: { color: colours.ink, size: narrow ? 11 : 13, family: "system-ui, sans-serif" }, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 10, r: 10, t: 10, b: 10 }, autosize: true, hovermode: "closest",
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.01, yanchor: "bottom" }, hoverlabel: { font: { color: colours.ink }, bgcolor: colours.paper }, ...layout };
  };

  // Compile plotly when the first chart is drawn, or when the browser is idle, so that the page appears first.
  const library = () => {
    if (window.Plotly) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  };

  const draw = (chart) => {
    const colours = theme();
    library();
    const traces = coloured(chart.data, colours).map((trace, index) => (moves(chart, index) ? { ...trace, x: [null], y: [null] } : { ...trace, x: trace.x?.map(stepped(chart)) }));
    const narrow = chart.plot.clientWidth < 480 ? { orientation: "h", y: -0.22, yanchor: "top", nticks: 5 } : {};  // a bar at the side would take a third of a phone's width
    for (const trace of traces) if (trace.colorbar) trace.colorbar = { outlinewidth: 0, ...narrow, ...trace.colorbar };
    Plotly.react(chart.plot, traces, layoutOf(chart, colours), { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false });
    if (!chart.drawn && chart.moves.length) chart.plot.on("plotly_afterplot", () => { paint(chart); });
    if (!chart.drawn && chart.part.runs) chart.plot.on("plotly_click", ({ points: [{ customdata }] }) => chosen(chart.part, customdata));
    chart.drawn = true;
    move(chart);
  };

  // Draw moving parts as an overlay: redrawing a whole chart takes 50 ms.

  const SVG = "http://www.w3.org/2000/svg", DASH = { dash: "8 5", dot: "2 4", dashdot: "8 4 2 4", longdash: "13 5", longdashdot: "13 5 2 5" };
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
      const after = Math.max(1, stops.findIndex(([at]) => at >= i / 255)), [[low, from], [high, to]] = stops.slice(after - 1, after + 1);
      return from.map((each, k) => each + (to[k] - each) * (i / 255 - low) / (high - low));
    });
  };
  const pixels = ({ grid: { rows, columns, value }, heat }, k, colours) => {
    const small = document.createElement("canvas"), context = small.getContext("2d"), scale = shades(colours.diverging);
    [small.width, small.height] = [columns, rows];
    const image = context.createImageData(columns, rows);
    for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
      const share = (value(k, row, column) - heat.zmin) / (heat.zmax - heat.zmin);
      if (!isNaN(share)) image.data.set([...scale[Math.round(255 * Math.min(1, Math.max(0, share)))], 255], 4 * ((rows - 1 - row) * columns + column));
    }
    context.putImageData(image, 0, 0);
    return small;
  };
  const outline = (context, { grid: { rows, columns, value }, level }, k, x, y) => {
    const corners = [[0, 0], [0, 1], [1, 1], [1, 0]];
    context.beginPath();
    for (let row = 0; row + 1 < rows; row++) for (let column = 0; column + 1 < columns; column++) {
      const values = corners.map(([down, right]) => value(k, row + down, column + right) - level), crossings = [];
      for (let i = 0; i < 4; i++) {
        const a = values[i], b = values[(i + 1) % 4], [from, to] = [corners[i], corners[(i + 1) % 4]];
        if (a < 0 !== b < 0 && isFinite(a) && isFinite(b)) crossings.push([column + from[1] + (to[1] - from[1]) * a / (a - b), row + from[0] + (to[0] - from[0]) * a / (a - b)]);
      }
      for (let i = 0; i + 1 < crossings.length; i += 2) { context.moveTo(x(crossings[i][0]), y(crossings[i][1])); context.lineTo(x(crossings[i + 1][0]), y(crossings[i + 1][1])); }
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
    const { xaxis: x, yaxis: y } = chart.plot._fullLayout, colours = theme(), sharp = devicePixelRatio;
    if (!chart.under) { chart.under = document.createElement("canvas"); chart.under.className = "under"; chart.plot.before(chart.under); }
    const canvas = chart.under, { heat, level, grid } = chart.ground;
    canvas.setAttribute("style", `left:${chart.plot.offsetLeft + x._offset}px;top:${chart.plot.offsetTop + y._offset}px;width:${x._length}px;height:${y._length}px`);
    [canvas.width, canvas.height] = [x._length * sharp, y._length * sharp];
    const context = canvas.getContext("2d"), [left, right, bottom, top] = [x.d2p(heat.x[0]), x.d2p(heat.x.at(-1)), y.d2p(heat.y[0]), y.d2p(heat.y.at(-1))];
    const [wide, high] = [(right - left) / (grid.columns - 1), (bottom - top) / (grid.rows - 1)];
    context.scale(sharp, sharp);
    context.imageSmoothingEnabled = level !== undefined;
    context.drawImage(pixels(chart.ground, chart.shown, colours), left - wide / 2, top - high / 2, right - left + wide, bottom - top + high);
    if (level === undefined) return;
    [context.strokeStyle, context.lineWidth, context.lineCap] = [colours.ink, 2, "round"];
    outline(context, chart.ground, chart.shown, (column) => left + column * wide, (row) => bottom - row * high);
  };

  const moves = (chart, trace) => chart.moves.some((each) => each.traces.includes(trace)) && chart.data[trace].type === "scatter";
  const paint = (chart) => {
    const layout = chart.plot._fullLayout, colours = theme();
    if (!chart.moved) return;
    chart.ground = chart.ground ?? ground(chart);
    if (chart.ground) spread(chart);
    if (!chart.over) chart.over = make(chart.plot.parentElement, "svg", { class: "over", "aria-hidden": "true" });
    chart.over.setAttribute("style", `left:${chart.plot.offsetLeft}px;top:${chart.plot.offsetTop}px;width:${chart.plot.clientWidth}px;height:${chart.plot.clientHeight}px`);
    chart.over.replaceChildren();
    for (const [index, points] of chart.moved) {
      const trace = coloured(chart.data[index], colours), x = layout[`xaxis${(trace.xaxis ?? "x").slice(1)}`], y = layout[`yaxis${(trace.yaxis ?? "y").slice(1)}`];
      if (!x || !y) continue;
      const box = make(chart.over, "svg", { x: x._offset, y: y._offset, width: x._length, height: y._length });
      const places = points.map(([a, b]) => (a === null || b === null ? null : [x.d2p(stepped(chart)(a)), y.d2p(b)])).map((place) => (place?.every(Number.isFinite) ? place : null));
      const colour = trace.line?.color ?? trace.marker?.color;
      if (trace.mode.includes("lines")) {
        const path = places.map((place, i) => (place ? `${i && places[i - 1] ? "L" : "M"}${place[0].toFixed(1)} ${place[1].toFixed(1)}` : "")).join("");
        make(box, "path", { d: path, fill: "none", stroke: colour, "stroke-width": trace.line?.width ?? 2, "stroke-dasharray": DASH[trace.line?.dash] ?? "none" });
      }
      if (!trace.mode.includes("markers")) continue;
      if (places.length === 1) box.setAttribute("overflow", "visible");
      for (const place of places) if (place && (places.length > 1 || (place[0] >= -1 && place[1] >= -1 && place[0] <= x._length + 1 && place[1] <= y._length + 1)))
        make(box, "circle", { cx: place[0], cy: place[1], r: (trace.marker?.size ?? 6) / 2, fill: trace.marker?.color ?? colour, stroke: trace.marker?.line?.color ?? "none", "stroke-width": 1.5 });
    }
  };
  const move = (chart) => {
    const k = chart.part.position;
    if (!chart.moves.length || k === undefined) return;
    chart.moved = [];
    for (const each of chart.moves) if (!each.frames?.z) for (const trace of each.traces) {
      const change = { x: chart.data[trace].x, y: chart.data[trace].y };
      for (const [key, row] of Object.entries(each.at ?? {})) change[key] = [row[k]];
      for (const [key, row] of Object.entries(each.upto ?? {})) change[key] = row.slice(0, k + 1);
      for (const [key, row] of Object.entries(each.frames ?? {})) change[key] = row[k];
      chart.moved.push([trace, change.x.map((value, i) => [value, change.y[i]])]);
    }
    chart.shown = k;
    paint(chart);
  };

  const parts = Object.entries(data).map(([id, part]) => ({ id, ...part, element: document.getElementById(id), list: [] }));
  const byId = Object.fromEntries(parts.map((part) => [part.id, part]));
  const charts = [...document.querySelectorAll("figure.chart")].map((figure) => {
    const part = byId[figure.dataset.part], chart = { figure, part, plot: figure.querySelector(".plot"), ...part.charts[figure.dataset.chart] };
    part.list.push(chart);
    return chart;
  });

  const waiting = [];  // one at a time, so that the page handles input in between
  const next = () => {
    const chart = waiting.shift();
    if (chart.visible && !chart.drawn) draw(chart);
    if (waiting.length) setTimeout(next);
  };
  const later = (chart) => { if (waiting.push(chart) === 1) setTimeout(next); };

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const chart = charts.find((each) => each.plot === entry.target);
      chart.visible = entry.isIntersecting;
      if (!chart.visible) continue;
      if (!chart.drawn) later(chart); else if (chart.shown !== chart.part.position) move(chart);
    }
  }, { rootMargin: "200px" });
  charts.forEach((chart) => near.observe(chart.plot));

  const again = (all) => charts.forEach((chart) => { if ((chart.drawn || all) && chart.plot.offsetParent) { draw(chart); Plotly.Plots.resize(chart.plot); } });
  dark.addEventListener("change", () => again(false));
  printing.addEventListener("change", () => again(printing.matches));

  for (const chart of charts) {
    for (const button of chart.figure.querySelectorAll(".scale")) button.addEventListener("click", () => {
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", log);
      for (const axis of chart.scales[button.textContent]) { chart.layout[axis].type = log ? "log" : "linear"; delete chart.layout[axis].range; }
      draw(chart);
    });
    const details = chart.figure.querySelector("details.numbers");
    details.addEventListener("toggle", () => { if (details.open && !details.dataset.filled) { details.dataset.filled = "1"; fill(details.querySelector(".wide"), chart); } });
  }

  // The numbers of a chart as a table

  const MOST = 500;
  const cell = (row, value, kind = "td", name = "number") => { const made = document.createElement(kind); made.className = name; made.textContent = short(value, 6); if (kind === "th") made.scope = "col"; row.append(made); };
  const tableOf = (columns, rows) => {
    const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
    for (const name of columns) cell(head, name, "th");
    for (const row of rows.slice(0, MOST)) { const line = body.insertRow(); for (const value of row) cell(line, value); }
    return table;
  };
  const fill = (element, chart) => {
    const all = chart.data.some((trace) => trace.meta !== "aside") ? chart.data.filter((trace) => trace.meta !== "aside") : chart.data.slice(0, 1);
    const name = (axis, otherwise) => chart.layout[axis]?.title?.text ?? otherwise;
    for (const trace of all) {
      const x = name("xaxis", "x"), y = name(`yaxis${(trace.yaxis ?? "y").slice(1)}`, "y");
      let columns = [x, y], rows = (trace.x ?? []).map((value, i) => [value, trace.y?.[i]]);
      if (trace.z) { columns = [y, ...trace.x.map((value) => `${x} ${short(value)}`)]; rows = trace.z.map((row, i) => [trace.y[i], ...row]); }
      else if (trace.error_x?.array) { columns = [y, x, "low", "high"]; rows = rows.map(([a, b], i) => [b, a, a - trace.error_x.arrayminus[i], a + trace.error_x.array[i]]); }
      else if (trace.error_y?.array) { columns = [x, y, "low", "high"]; rows = rows.map(([a, b], i) => [a, b, b - trace.error_y.arrayminus[i], b + trace.error_y.array[i]]); }
      const caption = document.createElement("p");
      caption.textContent = (trace.name ?? "") + (rows.length > MOST ? ` (the first ${MOST} of ${rows.length})` : "");
      element.append(caption, tableOf(columns, rows));
    }
  };

  // The step scrubber

  const show = (part, position) => {
    part.position = position;
    if (part.queued) return;
    part.queued = true;
    requestAnimationFrame(() => { part.queued = false; refresh(part); });
  };
  const refresh = (part) => {
    const k = part.position, box = part.scrubber, step = part.steps[k], finite = (value) => (value === null ? "not finite" : short(value));
    box.slider.value = k;
    box.slider.setAttribute("aria-valuetext", `step ${step}, loss ${finite(part.losses[k])}`);
    box.step.textContent = `step ${step}`;
    box.loss.textContent = `loss ${finite(part.losses[k])}`;
    box.norm.textContent = part.norms[k] === null ? "" : `gradient ${short(part.norms[k])}`;
    part.cells.parameters.forEach((each, i) => { each.textContent = short(part.parameters[i][k]); });
    part.cells.predictions.forEach((row, i) => row.forEach((each, j) => { const value = part.predictions[k]?.[i]?.[j]; if (value !== undefined) each.textContent = short(value); }));
    if (part.cells.explain) part.cells.explain.textContent = step;
    if (part.explanation) showExplanation(part);
    for (const chart of part.list) if (chart.drawn && chart.visible) move(chart);
  };

  // The explanation of the current step; if it has none, that of the nearest explained step

  const showExplanation = (part) => {
    const { jumps, between, pieces, shown } = part.explanation, step = part.steps[part.position], away = (k) => Math.abs(part.steps[k] - step);
    const near = part.explained.reduce((best, k) => (away(k) < away(best) ? k : best));
    between.textContent = near === part.position ? "" : `step ${step} is not explained; the nearest explained step follows `;
    if (near !== part.position) {
      const button = document.createElement("button");
      button.textContent = `Go to step ${part.steps[near]}`;
      button.addEventListener("click", () => { part.halt(); show(part, near); jumps[part.explained.indexOf(near)].focus(); });
      between.append(button);
    }
    if (part.explanation.near !== near) shown.replaceChildren(pieces[part.explained.indexOf(near)].content.cloneNode(true));
    part.explanation.near = near;
    jumps.forEach((button, i) => button.setAttribute("aria-pressed", part.explained[i] === part.position));
  };
  const setUpExplanation = (part) => {
    const find = (name) => [...part.element.querySelectorAll(`.explained ${name}`)];
    if (!part.explained.length) return;
    part.explanation = { jumps: find(".jump"), between: find(".between")[0], pieces: find("template"), shown: find(".shown")[0] };
    part.explanation.jumps.forEach((button, i) => button.addEventListener("click", () => { part.halt(); show(part, part.explained[i]); }));
  };

  const steer = (part) => {
    const box = part.element.querySelector(".scrubber"), find = (name) => box.querySelector(name), last = part.steps.length - 1;
    part.scrubber = { slider: find("input"), step: find(".step"), loss: find(".loss"), norm: find(".norm") };
    part.cells = { parameters: [...part.element.querySelectorAll(".live-parameters td")],
      predictions: [...part.element.querySelectorAll(".live-predictions tbody tr")].map((row) => [...row.cells]), explain: part.element.querySelector(".explain b") };
    part.position = 0;  // start at the beginning of the descent: at its end nothing moves
    let started = null, from = 0;
    const button = find(".play"), speed = find("select");
    const sign = () => { button.textContent = started === null ? "▶" : "❚❚"; button.setAttribute("aria-label", started === null ? "Play" : "Pause"); };
    const tick = (now) => {
      if (started === null) return;
      const elapsed = Math.max(0, now - started) / 1000;  // a frame can have begun before the click that it follows
      const position = Math.min(last, Math.floor(from + elapsed * 24 * speed.value));
      if (position !== part.position) { part.position = position; refresh(part); }
      if (position === last) { started = null; sign(); } else requestAnimationFrame(tick);
    };
    const begin = () => { from = part.position; started = performance.now(); };
    button.addEventListener("click", () => {
      if (started !== null) started = null;
      else { if (part.position === last) part.position = 0; begin(); requestAnimationFrame(tick); }
      sign();
    });
    speed.addEventListener("change", () => { if (started !== null) begin(); });
    part.halt = () => { started = null; sign(); };
    part.scrubber.slider.addEventListener("input", (event) => { part.halt(); show(part, Number(event.target.value)); });
    setUpExplanation(part);
    refresh(part);
  };
  parts.filter((part) => part.steps?.length).forEach(steer);

  // The settings of a sweep

  const runsOf = (part, row) => {
    const runs = part.runs, point = Number(row.dataset.point), box = part.element.querySelector(".runs"), rows = [];
    for (let i = 0; i < (runs.point?.length ?? 0); i++) if (runs.point[i] === point)
      rows.push([runs.seed[i], runs.statuses[runs.status[i]], runs.steps[i], runs.loss[i]]);
    part.element.querySelectorAll("tr.chosen").forEach((each) => each.classList.remove("chosen"));
    row.classList.add("chosen");
    const title = document.createElement("h3"), wide = document.createElement("div");
    title.textContent = `${rows.length} runs${rows.length > MOST ? `, the first ${MOST} of which are shown` : ""}`;
    wide.className = "wide";
    wide.append(tableOf(["seed", "status", "steps", "last loss"], rows));
    box.replaceChildren(title, wide);
    box.scrollIntoView({ block: "nearest" });
  };
  const chosen = (part, point) => {
    const row = part.element.querySelector(`.settings tr[data-point="${point}"]`);
    if (row) { row.hidden = false; runsOf(part, row); }
  };
  const arrange = (part) => {
    const box = part.element.querySelector(".settings"), body = box.querySelector("tbody"), rows = [...body.rows];
    const matches = box.querySelector("output");
    box.querySelectorAll("thead button").forEach((button, column) => button.addEventListener("click", () => {
      const head = button.parentElement, up = head.getAttribute("aria-sort") !== "ascending";
      box.querySelectorAll("thead th").forEach((each) => { if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.key, order = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
      rows.sort((a, b) => (up ? 1 : -1) * order(key(a), key(b)));
      body.append(...rows);
    }));
    box.querySelector("input").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); count += !row.hidden; }
      matches.textContent = words.length ? `${count} of ${rows.length}` : "";
    });
    body.addEventListener("click", (event) => { const row = event.target.closest("tr"); if (row) runsOf(part, row); });
  };
  parts.filter((part) => part.runs).forEach(arrange);

  // The pairs of a comparison: one at a time; without this script the page shows all of them

  const pick = (box, part) => {
    const pairs = [...part.element.querySelectorAll(".pair")], select = box.querySelector("select");
    const showPair = () => pairs.forEach((pair, i) => { pair.hidden = i !== Number(select.value); });
    select.addEventListener("change", showPair);
    box.hidden = false;
    showPair();
  };
  for (const part of parts) for (const box of part.element.querySelectorAll(".pick")) pick(box, part);

  (window.requestIdleCallback ?? setTimeout)(library);
  document.documentElement.dataset.ready = "1";
})();
