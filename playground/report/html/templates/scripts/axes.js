// Fit the axes whose range a chart does not fix to what they show; seldom, because plotly takes some frames for it.
const FIT_PAUSE = 150,
  FIT_SLACK = 0.6;
const fitAxes = (chart) => {
  clearTimeout(chart.fitting);
  chart.fitting = setTimeout(() => {
    const ranges = wantedRanges(chart);
    if (!Object.keys(ranges).length || !chart.plot._fullLayout) return;
    chart.fitted = { ...chart.fitted, ...ranges };
    Plotly.relayout(chart.plot, Object.fromEntries(Object.entries(ranges).map(([key, range]) => [`${key}.range`, range])));
  }, FIT_PAUSE);
};
const wantedRanges = (chart) => {
  const wanted = {},
    found = {};
  for (const [index, points] of chart.moved ?? []) {
    const trace = chart.data[index],
      keys = [`xaxis${(trace.xaxis ?? "x").slice(1)}`, `yaxis${(trace.yaxis ?? "y").slice(1)}`];
    keys.forEach((key, i) => {
      if (chart.layout[key]?.range || trace.meta === "guide") return;
      const isLog = chart.layout[key].type === "log",
        scale = isLog ? Math.log10 : (value) => value;
      for (const point of points) {
        const value = scale(i || !isLog ? point[i] : stepped(chart)(point[i]));
        if (point[i] === null || !Number.isFinite(value)) continue;
        const [low, high] = found[key] ?? [Infinity, -Infinity];
        found[key] = [Math.min(low, value), Math.max(high, value)];
      }
    });
  }
  for (const [key, [low, high]] of Object.entries(found)) {
    const room = 0.05 * (high - low) || 0.5,
      now = chart.plot._fullLayout[key].range;
    const fits = now[0] <= low && now[1] >= high && high - low >= FIT_SLACK * (now[1] - now[0]);
    if (!fits) wanted[key] = [low - room, high + room];
  }
  return wanted;
};
