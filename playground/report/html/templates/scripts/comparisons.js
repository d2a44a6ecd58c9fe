// The pairs of a comparison: one at a time; without this script the page shows all of them

const pick = (box, part) => {
  const pairs = [...part.element.querySelectorAll(".pair")],
    select = box.querySelector("select");
  const showPair = () =>
    pairs.forEach((pair, i) => {
      pair.hidden = i !== Number(select.value);
    });
  select.addEventListener("change", showPair);
  box.hidden = false;
  showPair();
};
