// The step scrubber

const show = (part, position) => {
  part.position = position;
  if (part.queued) return;
  part.queued = true;
  requestAnimationFrame(() => {
    part.queued = false;
    refresh(part);
  });
};
// What the page shows of a position: as recorded, or of the run that the page computed itself.
const reading = (part, k) => {
  const shown = part.session?.shown;
  if (shown)
    return {
      loss: lossAt(shown, k),
      norm: k < shown.count ? shown.norms[k] : null,
      parameter: (i) => entryAt(shown, i, k),
      predictions: predictionsOf(part.session, k),
    };
  return { loss: part.losses[k], norm: part.norms[k], parameter: (i) => part.parameters[i][k], predictions: part.predictions[k] };
};
const refresh = (part) => {
  const k = part.position,
    box = part.scrubber,
    step = part.steps[k],
    read = reading(part, k);
  const finite = (value) => (Number.isFinite(value) ? short(value) : "not finite");
  box.slider.value = k;
  box.slider.setAttribute("aria-valuetext", `step ${step}, loss ${finite(read.loss)}`);
  box.step.textContent = `step ${step}`;
  box.loss.textContent = `loss ${finite(read.loss)}`;
  box.norm.textContent = Number.isFinite(read.norm) ? `gradient ${short(read.norm)}` : "";
  part.cells.parameters.forEach((each, i) => {
    each.textContent = short(read.parameter(i));
  });
  part.cells.predictions.forEach((row, i) =>
    row.forEach((each, j) => {
      const value = read.predictions?.[i]?.[j];
      if (value !== undefined) each.textContent = short(value);
    }),
  );
  if (part.cells.explain) part.cells.explain.textContent = step;
  if (part.explanation) showExplanation(part);
  for (const chart of part.list) if (chart.drawn && chart.visible) move(chart);
};

const PLAY_SECONDS = 5; // for all positions at the usual speed, or longer where there are few
const PLAY_RATE = 24;

const steer = (part) => {
  const box = part.element.querySelector(".scrubber"),
    find = (name) => box.querySelector(name),
    last = () => part.steps.length - 1;
  part.scrubber = { slider: find("input"), step: find(".step"), loss: find(".loss"), norm: find(".norm") };
  part.cells = {
    parameters: [...part.element.querySelectorAll(".live-parameters td")],
    predictions: [...part.element.querySelectorAll(".live-predictions tbody tr")].map((row) => [...row.cells]),
    explain: part.element.querySelector(".explain b"),
  };
  part.position = 0; // start at the beginning of the descent: at its end nothing moves
  let started = null,
    from = 0;
  const button = find(".play"),
    speed = find("select");
  const sign = () => {
    button.textContent = started === null ? "▶" : "❚❚";
    button.setAttribute("aria-label", started === null ? "Play" : "Pause");
  };
  const tick = (now) => {
    if (started === null) return;
    const elapsed = Math.max(0, now - started) / 1000; // a frame can have begun before the click that it follows
    const rate = Math.max(PLAY_RATE, last() / PLAY_SECONDS),
      position = Math.min(last(), Math.floor(from + elapsed * rate * speed.value));
    if (position !== part.position) {
      part.position = position;
      refresh(part);
    }
    if (position === last()) {
      started = null;
      sign();
    } else requestAnimationFrame(tick);
  };
  const begin = () => {
    from = part.position;
    started = performance.now();
  };
  button.addEventListener("click", () => {
    if (started !== null) started = null;
    else {
      if (part.position === last()) part.position = 0;
      begin();
      requestAnimationFrame(tick);
    }
    sign();
  });
  speed.addEventListener("change", () => {
    if (started !== null) begin();
  });
  part.halt = () => {
    started = null;
    sign();
  };
  part.isPlaying = () => started !== null;
  part.scrubber.slider.addEventListener("input", (event) => {
    part.halt();
    show(part, Number(event.target.value));
  });
  setUpExplanation(part);
  refresh(part);
};
