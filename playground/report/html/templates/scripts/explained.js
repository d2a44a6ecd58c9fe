// The explanation of the current step; if it has none, that of the nearest explained step

const showExplanation = (part) => {
  const { jumps, between, pieces, shown, steps } = part.explanation,
    step = part.steps[part.position],
    away = (each) => Math.abs(each - step);
  const near = steps.reduce((best, each) => (away(each) < away(best) ? each : best)),
    place = steps.indexOf(near),
    isHere = near === step;
  between.textContent = part.session?.isChanged()
    ? "these are the numbers of the run as Python recorded it "
    : isHere
      ? ""
      : `step ${step} is not explained; the nearest explained step follows `;
  if (!isHere) {
    const button = document.createElement("button");
    button.textContent = `Go to step ${near}`;
    button.addEventListener("click", () => {
      goToStep(part, near);
      jumps[place].focus();
    });
    between.append(button);
  }
  if (part.explanation.near !== near) shown.replaceChildren(pieces[place].content.cloneNode(true));
  part.explanation.near = near;
  jumps.forEach((button, i) => button.setAttribute("aria-pressed", steps[i] === step));
};
const goToStep = (part, step) => {
  const position = part.steps.indexOf(step);
  part.halt();
  if (position >= 0) show(part, position);
};
const setUpExplanation = (part) => {
  const find = (name) => [...part.element.querySelectorAll(`.explained ${name}`)];
  if (!part.explained.length) return;
  const steps = part.explained.map((position) => part.steps[position]);
  part.explanation = { steps, jumps: find(".jump"), between: find(".between")[0], pieces: find("template"), shown: find(".shown")[0] };
  part.explanation.jumps.forEach((button, i) => button.addEventListener("click", () => goToStep(part, steps[i])));
};
