// The settings of a sweep

const runsOf = (part, row) => {
  const runs = part.runs,
    point = Number(row.dataset.point),
    box = part.element.querySelector(".runs"),
    rows = [];
  for (let i = 0; i < (runs.point?.length ?? 0); i++)
    if (runs.point[i] === point) rows.push([runs.seed[i], runs.statuses[runs.status[i]], runs.steps[i], runs.loss[i]]);
  part.element.querySelectorAll("tr.chosen").forEach((each) => each.classList.remove("chosen"));
  row.classList.add("chosen");
  const title = document.createElement("h3"),
    wide = document.createElement("div");
  title.textContent = `${rows.length} runs${rows.length > MOST ? `, the first ${MOST} of which are shown` : ""}`;
  wide.className = "wide";
  wide.append(tableOf(["seed", "status", "steps", "last loss"], rows));
  box.replaceChildren(title, wide);
  box.scrollIntoView({ block: "nearest" });
};
const chosen = (part, point) => {
  const row = part.element.querySelector(`.settings tr[data-point="${point}"]`);
  if (row) {
    row.hidden = false;
    runsOf(part, row);
  }
};
const arrange = (part) => {
  const box = part.element.querySelector(".settings"),
    body = box.querySelector("tbody"),
    rows = [...body.rows];
  const matches = box.querySelector("output");
  box.querySelectorAll("thead button").forEach((button, column) =>
    button.addEventListener("click", () => {
      const head = button.parentElement,
        up = head.getAttribute("aria-sort") !== "ascending";
      box.querySelectorAll("thead th").forEach((each) => {
        if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
      });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.key,
        order = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
      rows.sort((a, b) => (up ? 1 : -1) * order(key(a), key(b)));
      body.append(...rows);
    }),
  );
  box.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      count += !row.hidden;
    }
    matches.textContent = words.length ? `${count} of ${rows.length}` : "";
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) runsOf(part, row);
  });
};
