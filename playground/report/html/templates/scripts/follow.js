// For `playground live`: shows what the command sends, and says in a line above the results what it does.

const bar = document.getElementById("follow"),
  feed = new EventSource(`events${location.search}`);

const say = ({ state, sentence, lines }) => {
  bar.className = `follow ${state}`;
  const first = document.createElement("p");
  first.textContent = sentence;
  bar.replaceChildren(
    first,
    ...lines.map((line) => {
      const made = document.createElement("pre");
      made.textContent = line;
      return made;
    }),
  );
};
new ResizeObserver(() => document.documentElement.style.setProperty("--above", `${bar.offsetHeight}px`)).observe(bar);

feed.addEventListener("content", (event) => {
  const { title, html, data } = JSON.parse(event.data);
  document.title = title;
  window.playground.replace(html, data);
});
feed.addEventListener("state", (event) => {
  const message = JSON.parse(event.data);
  if (message.state === "ended") feed.close();
  say(message);
});
feed.addEventListener("error", () => {
  if (feed.readyState === EventSource.CLOSED)
    say({ state: "ended", sentence: "The command has ended; this page no longer follows the file.", lines: [] });
  else say({ state: "ended", sentence: "The command does not answer; trying again …", lines: [] });
});
