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
const fill = (element, chart) => {
  const all = chart.data.some((trace) => trace.meta !== "aside")
    ? chart.data.filter((trace) => trace.meta !== "aside")
    : chart.data.slice(0, 1);
  const name = (axis, otherwise) => chart.layout[axis]?.title?.text ?? otherwise;
  for (const trace of all) {
    const x = name("xaxis", "x"),
      y = name(`yaxis${(trace.yaxis ?? "y").slice(1)}`, "y");
    let columns = [x, y],
      rows = (trace.x ?? []).map((value, i) => [value, trace.y?.[i]]);
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
};
