const LIGHT = {
  ink: "#1b2530",
  dim: "#56616e",
  paper: "#ffffff",
  line: "#d5dce4",
  blue: "#0072b2",
  orange: "#b35900",
  green: "#007a5a",
  purple: "#a8457f",
  brown: "#8a6100",
  sky: "#2f86b8",
  red: "#c8440a",
  grey: "#5f6770",
  gold: "#f0e442",
  diverging: [
    [0, "#9cc9e8"],
    [0.5, "#f6f6f6"],
    [1, "#f3b48c"],
  ],
};
const DARK = {
  ink: "#e5eaf0",
  dim: "#a5b0bd",
  paper: "#12171d",
  line: "#36414e",
  blue: "#56b4e9",
  orange: "#e69f00",
  green: "#3cc79a",
  purple: "#e59cc6",
  brown: "#d9c36a",
  sky: "#9ad4ff",
  red: "#ff8a4c",
  grey: "#aab4bf",
  gold: "#f0e442",
  diverging: [
    [0, "#1d4f74"],
    [0.5, "#23282f"],
    [1, "#7a3c14"],
  ],
};
const dark = matchMedia("(prefers-color-scheme: dark)"),
  printing = matchMedia("print");
const theme = () => (dark.matches && !printing.matches ? DARK : LIGHT);
