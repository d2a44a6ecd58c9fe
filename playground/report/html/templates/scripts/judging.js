// Expectations at the numbers that the controls have.

const CONDITIONS = {
  below: (value, limit) => value < limit,
  above: (value, limit) => value > limit,
  at_least: (value, limit) => value >= limit,
  at_most: (value, limit) => value <= limit,
  near: (value, [wanted, within]) => Math.abs(value - wanted) <= within,
  equals: (value, [wanted, within]) =>
    typeof wanted === "string" ? value === wanted : Math.abs(value - wanted) <= within * Math.abs(wanted),
  rounded: (value, wanted) => roundHalfEven(value) === wanted,
};
const roundHalfEven = (value) => {
  const low = Math.floor(value),
    rest = value - low;
  return rest < 0.5 ? low : rest > 0.5 ? low + 1 : low + (low % 2);
};

const flat = (value) => (Array.isArray(value) ? value.flatMap(flat) : [value]);

// What can be measured of a run in the page; undefined for anything else.
const measureLive = (session, result, { quantity: name }) => {
  const { live } = session,
    k = rowCount(result) - 1;
  if (name === "loss") return [result.last];
  if (name === "steps") return [result.made];
  if (name === "status") return [result.status];
  if (name === "predictions" && session.canPredict && session.samples) return flat(session.samples.predictions(k));
  if (name === "r2" && session.canPredict && session.samples?.deep === 1 && !session.samples.classes)
    return [session.samples.determination(k)];
  if (name === "accuracy" && session.canPredict && session.samples?.classes) return [session.samples.accuracy(k)];
  const minima = session.maps.find((chart) => chart.map.minima)?.map.minima;
  const inPrecision = result.program.dtype === "float32" ? Math.fround : Number; // as Python computes it
  if (name === "distance" && minima)
    return [
      Math.min(...minima.map(([a, b]) => Math.hypot(entryAt(result, 0, k) - inPrecision(a), entryAt(result, 1, k) - inPrecision(b)))),
    ];
  let first = 0;
  for (const [each, shape] of live.parameters) {
    if (each === name) return Array.from({ length: sizeOf(shape) }, (_, i) => entryAt(result, first + i, k));
    first += sizeOf(shape);
  }
  return undefined;
};

// A task of a plugin may measure something else by the same name: the page judges what it measures as Python did in the
// scenario's own run.
const MEASURED_ALIKE = 1e-3;
const findJudged = (session, result) => {
  session.live.expectations = session.live.expectations.map((expectation) => {
    const measured = expectation && measureLive(session, result, expectation),
      wanted = flat(expectation?.value);
    const isAlike = (value, i) =>
      typeof value === "string"
        ? value === wanted[i]
        : Math.abs(value - wanted[i]) <= MEASURED_ALIKE * (1 + Math.abs(wanted[i])) || value === wanted[i];
    return measured?.length === wanted.length && measured.every(isAlike) ? expectation : null;
  });
};

const judgeLive = (session, result, expectation) => {
  const measured = expectation && measureLive(session, result, expectation);
  if (!measured) return null;
  const [word, wanted, within] = expectation.condition,
    limits = broadcast(wanted, measured.length).map((each) => (within === undefined ? each : [each, within]));
  return { held: limits.length === measured.length && measured.every((value, i) => CONDITIONS[word](value, limits[i])), measured };
};
const broadcast = (limit, count) => {
  const all = flat(limit);
  return all.length === 1 ? Array(count).fill(all[0]) : all;
};

const MAX_MEASURED = 8;
const showJudged = (session, result) => {
  const rows = [...session.part.element.querySelectorAll(".expected tbody tr")],
    isChanged = session.isChanged();
  session.recordedRows ??= rows.map((row) =>
    [...row.cells].map((cell) => [cell.className, [...cell.childNodes].map((node) => node.cloneNode(true))]),
  );
  session.judged = session.live.expectations.map((expectation) => judgeLive(session, result, expectation));
  session.judged.forEach((judged, i) => {
    const row = rows[i];
    row?.classList.toggle("not-live", !judged && isChanged);
    if (row && !isChanged)
      session.recordedRows[i].forEach(([name, nodes], k) => {
        row.cells[k].className = name;
        row.cells[k].replaceChildren(...nodes.map((node) => node.cloneNode(true)));
      });
    if (!row || !isChanged) return;
    const [mark, , value] = row.cells;
    if (!judged) {
      mark.className = "";
      mark.textContent = "–";
      value.textContent = "not computed here";
      return;
    }
    const word = judged.held ? "passed" : "failed";
    mark.className = word;
    mark.replaceChildren(judged.held ? "✔" : "✘");
    element(mark, "span", { class: "heard" }, ` ${word}`);
    if (judged.measured.length <= MAX_MEASURED)
      value.textContent = judged.measured.map((each) => (each === Infinity || each !== each ? "not finite" : short(each))).join(", ");
  });
};
const sayJudged = ({ judged }) => {
  const known = judged.filter(Boolean),
    held = known.filter((each) => each.held).length,
    unknown = judged.length - known.length;
  if (!judged.length) return "";
  return `${held} of ${known.length} expectations hold${unknown ? `; the page cannot judge ${unknown} more` : ""}.`;
};
