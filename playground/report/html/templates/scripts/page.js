// The page: its parts, each with its charts and what steers them. `open` sets up what `<main>` holds.

let charts = [];

let sessions = Promise.resolve(); // settled when every part is live or has said why not; plotly takes longer, so it waits
const waiting = []; // one chart at a time, so that the page handles input in between
const next = () => {
  const chart = waiting.shift();
  if (chart.visible && !chart.drawn) draw(chart);
  if (waiting.length) setTimeout(next);
};
const later = (chart) => {
  if (waiting.push(chart) === 1) sessions.then(() => setTimeout(next));
};

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const chart = charts.find((each) => each.plot === entry.target);
      if (!chart) continue;
      chart.visible = entry.isIntersecting;
      if (!chart.visible) continue;
      if (chart.map && chart.part.session) makeMaps(chart.part.session);
      if (!chart.drawn) later(chart);
      else if (chart.shown !== chart.part.position) move(chart);
    }
  },
  { rootMargin: "200px" },
);

// Of many parts, one becomes live when it comes near the screen.
const nearParts = new IntersectionObserver(
  (entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      nearParts.unobserve(target);
      window.playground.parts.find((part) => part.element === target)?.goLive();
    }
  },
  { rootMargin: "200px" },
);

const again = (all) =>
  charts.forEach((chart) => {
    if ((chart.drawn || all) && chart.plot.offsetParent) {
      draw(chart);
      Plotly.Plots.resize(chart.plot);
    }
  });
dark.addEventListener("change", () => again(false));
printing.addEventListener("change", () => again(printing.matches));

const setUpChart = (chart) => {
  for (const button of chart.figure.querySelectorAll(".scale"))
    button.addEventListener("click", () => {
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", log);
      for (const axis of chart.scales[button.textContent]) {
        chart.layout[axis].type = log ? "log" : "linear";
        delete chart.layout[axis].range;
      }
      draw(chart);
    });
  chart.figure.querySelector("details.numbers").addEventListener("toggle", () => fillOpen(chart));
  near.observe(chart.plot);
};

const open = (data) => {
  near.disconnect();
  nearParts.disconnect();
  const parts = Object.entries(data).map(([id, part]) => ({ id, ...part, element: document.getElementById(id), list: [] }));
  const byId = Object.fromEntries(parts.map((part) => [part.id, part]));
  charts = [...document.querySelectorAll("figure.chart")].map((figure) => {
    const part = byId[figure.dataset.part],
      chart = { figure, part, plot: figure.querySelector(".plot"), ...part.charts[figure.dataset.chart] };
    part.list.push(chart);
    return chart;
  });
  charts.forEach(setUpChart);
  const previous = Object.fromEntries(window.playground.parts.map((part) => [part.id, part]));
  window.playground.parts = parts;
  for (const part of parts) {
    if (part.steps?.length) steer(part);
    if (part.runs) arrange(part);
    for (const box of part.element.querySelectorAll(".pick")) pick(box, part);
  }
  const live = parts.filter((part) => part.live);
  live.forEach((part) => {
    part.goLive = () => goLive(part, previous[part.id]);
  });
  if (live.length === 1) sessions = Promise.allSettled([live[0].goLive()]);
  else live.forEach((part) => nearParts.observe(part.element));
};

// For `playground live`: show other results in place of these.
const replace = (html, data) => {
  jobs.clear(); // nothing of what is replaced may go on
  window.playground.parts.forEach((part) => part.halt?.());
  for (const chart of charts) {
    clearTimeout(chart.fitting);
    if (chart.drawn) Plotly.purge(chart.plot);
    chart.drawn = chart.visible = false;
  }
  document.getElementById("main").innerHTML = html; // made by the same templates as the page, which escape every value
  open(data);
};
window.playground = { replace, settled, parts: [] };

open(JSON.parse(document.getElementById("data").textContent));
sessions.then(() => (window.requestIdleCallback ?? setTimeout)(library));
document.documentElement.dataset.ready = "1";
