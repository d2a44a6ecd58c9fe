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
