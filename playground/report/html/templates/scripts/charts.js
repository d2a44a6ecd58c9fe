// Charts

// Plotly interprets texts as HTML. Escape names and values so that they appear literally; `ticktext` is the page's own.
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const coloured = (value, colours) => {
  if (typeof value === "string" && value[0] === "@") {
    const [name, alpha] = value.slice(1).split("/"); // `@blue/2e`: blue with opacity 2e (hexadecimal)
    if (Object.hasOwn(colours, name)) return alpha ? colours[name] + alpha : colours[name];
  }
  if (typeof value === "string") return value.replace(/[&<>]/g, (sign) => ENTITIES[sign]);
  if (Array.isArray(value))
    return typeof value[0] === "number" || Array.isArray(value[0]) ? value : value.map((each) => coloured(each, colours));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, key === "ticktext" ? each : coloured(each, colours)]));
  return value;
};

// A logarithmic axis has no position for step 0, whose loss is important: draw it at the left of step 1.

const START = 0.5;
const logSteps = (chart) => chart.scales["log steps"] && chart.layout.xaxis.type === "log";
const stepped = (chart) => (logSteps(chart) ? (value) => (value === 0 ? START : value) : (value) => value);
const DECADES = Array.from({ length: 10 }, (_, i) => 10 ** i);

const layoutOf = (chart, colours) => {
  const layout = coloured(chart.layout, colours),
    narrow = chart.plot.clientWidth < 480;
  const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
  for (const key of axes) {
    layout[key] = {
      gridcolor: colours.line,
      zerolinecolor: colours.line,
      linecolor: colours.dim,
      automargin: true,
      ticklabelstandoff: 6,
      exponentformat: "power",
      nticks: narrow ? 6 : 10,
      ...layout[key],
    };
    layout[key].title = { standoff: 10, ...layout[key].title };
    if (layout[key].type === "log") layout[key].nticks = Math.min(layout[key].nticks, 5);
  }
  for (const [key, range] of Object.entries(chart.fitted ?? {})) layout[key].range = range;
  if (logSteps(chart))
    Object.assign(layout.xaxis, { tickvals: [START, ...DECADES], ticktext: ["0", ...DECADES.map((each) => each.toLocaleString("en"))] });
  return {
    font: { color: colours.ink, size: narrow ? 11 : 13, family: "system-ui, sans-serif" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 10, r: 10, t: 10, b: 10 },
    autosize: true,
    hovermode: "closest",
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1.01, yanchor: "bottom" },
    hoverlabel: { font: { color: colours.ink }, bgcolor: colours.paper },
    ...layout,
  };
};

// Compile plotly when the first chart is drawn, or when the browser is idle, so that the page appears first.
const library = () => {
  const source = document.getElementById("plotly");
  if (window.Plotly || !source) return;
  const script = document.createElement("script");
  script.textContent = source.textContent;
  document.head.append(script);
};

const draw = (chart) => {
  const colours = theme();
  library();
  const traces = coloured(chart.data, colours).map((trace, index) =>
    moves(chart, index) || isReplaced(chart, trace) ? { ...trace, x: [null], y: [null] } : { ...trace, x: trace.x?.map(stepped(chart)) },
  );
  const narrow = chart.plot.clientWidth < 480 ? { orientation: "h", y: -0.22, yanchor: "top", nticks: 5 } : {}; // a bar at the side would take a third of a phone's width
  for (const trace of traces) if (trace.colorbar) trace.colorbar = { outlinewidth: 0, ...narrow, ...trace.colorbar };
  Plotly.react(chart.plot, traces, layoutOf(chart, colours), {
    responsive: true,
    displaylogo: false,
    displayModeBar: false,
    scrollZoom: false,
  });
  if (!chart.drawn)
    chart.plot.on("plotly_afterplot", () => {
      if (chart.part.session?.shown) {
        move(chart);
        paintBasins(chart);
        placeHandles(chart);
      } else paint(chart);
    });
  if (!chart.drawn && chart.part.runs) chart.plot.on("plotly_click", ({ points: [{ customdata }] }) => chosen(chart.part, customdata));
  chart.drawn = true;
  move(chart);
};
