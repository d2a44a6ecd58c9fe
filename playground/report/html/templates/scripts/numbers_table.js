// The numbers of a chart as a table

const MOST = 500;
const cell = (row, value, kind = "td", name = "number") => {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = short(value, 6);
  if (kind === "th") made.scope = "col";
  row.append(made);
};
const tableOf = (columns, rows) => {
  const table = document.createElement("table"),
    head = table.createTHead().insertRow(),
    body = table.createTBody();
  for (const name of columns) cell(head, name, "th");
  for (const row of rows.slice(0, MOST)) {
    const line = body.insertRow();
    for (const value of row) cell(line, value);
  }
  return table;
};
// The numbers of an open table are those that the chart shows now.
const fillOpen = (chart) => {
  const details = chart.figure.querySelector("details.numbers"),
    box = details.querySelector(".wide");
  if (!details.open) return;
  box.replaceChildren();
  fill(box, chart);
};
// The points of a trace: as recorded, or of the run that the page computed.
const pointsOf = (chart, trace) => {
  const { session, position } = chart.part,
    index = chart.data.indexOf(trace),
    way = session?.shown && chart.moves.find((each) => each.traces.includes(index) && isActive(chart, each));
  if (way) return placesOf(chart, way, index, position, session.shown).filter(([, y]) => y !== null);
  if (!isReplaced(chart, trace)) return (trace.x ?? []).map((value, i) => [value, trace.y?.[i]]);
  const { samples } = session,
    kind = chart.data.filter((each) => each.meta === "samples").indexOf(trace);
  return range(samples.count)
    .filter((i) => !samples.classes || samples.classOf(i) === kind)
    .map((i) => samples.at(i));
};
const fillBasins = (element, { map, basins: { kinds } }) => {
  const share = (kind) => kinds.filter((each) => each === kind).length / kinds.length;
  const ends = [
    ...map.minima.map((at, i) => [`at ${at.map((each) => short(each)).join(", ")}`, 2 + i]),
    ["elsewhere", 0],
    ["diverges, or is not finite", 1],
  ];
  element.append(
    tableOf(
      ["where runs end", "share of starts"],
      ends.map(([name, kind]) => [name, share(kind)]),
    ),
  );
};
const fill = (element, chart) => {
  const all = chart.data.some((trace) => trace.meta !== "aside")
    ? chart.data.filter((trace) => trace.meta !== "aside")
    : chart.data.slice(0, 1);
  const name = (axis, otherwise) => chart.layout[axis]?.title?.text ?? otherwise;
  for (const trace of all) {
    const x = name("xaxis", "x"),
      y = name(`yaxis${(trace.yaxis ?? "y").slice(1)}`, "y");
    let columns = [x, y],
      rows = pointsOf(chart, trace);
    if (trace.z) {
      columns = [y, ...trace.x.map((value) => `${x} ${short(value)}`)];
      rows = trace.z.map((row, i) => [trace.y[i], ...row]);
    } else if (trace.error_x?.array) {
      columns = [y, x, "low", "high"];
      rows = rows.map(([a, b], i) => [b, a, a - trace.error_x.arrayminus[i], a + trace.error_x.array[i]]);
    } else if (trace.error_y?.array) {
      columns = [x, y, "low", "high"];
      rows = rows.map(([a, b], i) => [a, b, b - trace.error_y.arrayminus[i], b + trace.error_y.array[i]]);
    }
    const caption = document.createElement("p");
    caption.textContent = (trace.name ?? "") + (rows.length > MOST ? ` (the first ${MOST} of ${rows.length})` : "");
    element.append(caption, tableOf(columns, rows));
  }
  if (chart.basins) fillBasins(element, chart);
};
