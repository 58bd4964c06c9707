// Keys. One table decides what they do and what the help says.

const KEYS = {
  pairs: [
    [["ArrowLeft", "1", "a"], "← 1 A", "the left image is better", () => decide("A")],
    [["ArrowRight", "2", "b"], "→ 2 B", "the right image is better", () => decide("B")],
    [["ArrowDown", "t"], "↓ T", "tie", () => decide("Tie")],
  ],
  ranking: [
    [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "1 … 9", "the next image in order; again takes it out", (pressed) => {
      if (Number(pressed) <= state.ranks.length) rank(Number(pressed) - 1);
    }],
    [["t", "="], "T =", "the next image ties with the last", tieNext],
    [["c"], "C", "clear the ranks", clearRanks],
    [["Enter", "d"], "Enter D", "done: one that is left comes last", finishRanking],
  ],
  labels: [
    [["k", "g", "ArrowRight"], "K G →", "good", () => decide("Good")],
    [["j", "b", "ArrowLeft"], "J B ←", "bad", () => decide("Bad")],
  ],
  scores: [
    [["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"], "1 … 9 0", "the score; 0 is 10", (pressed) => {
      const score = pressed === "0" ? 10 : Number(pressed);
      if (score <= state.shown.best) decide({ Score: score });
    }],
  ],
};

const EVERYWHERE = [
  [["s", " "], "S Space", "skip", () => answer("Skip")],
  [["u", "Backspace"], "U ⌫", "undo; as often as you like", undo],
  [["?"], "?", "this help", () => byId("help").showModal()],
];

const TOUCH = {
  pairs: "By touch: tap the better image, or swipe towards it; swipe down for a tie, up to skip.",
  ranking: "By touch: tap the images in order, the best first.",
  labels: "By touch: swipe right for good, left for bad, up to skip.",
  scores: "By touch: tap a score; swipe up to skip.",
};

function showHelp() {
  const mode = state.shown?.mode;
  if (!mode || byId("keys").dataset.mode === mode) return;
  byId("keys").dataset.mode = mode;
  const tags = state.shown.tags.length > 0 ? [[null, state.shown.tags.slice(0, TAG_KEYS.length).map((_, i) => TAG_KEYS[i].toUpperCase()).join(" "), "why: reasons that go with the answer"]] : [];
  byId("keys").replaceChildren(...[...KEYS[mode], ...tags, ...EVERYWHERE].flatMap(([, keys, text]) => [
    element("dt", {}, keys.split(" ").map((name) => element("kbd", {}, name))), element("dd", {}, text),
  ]));
  byId("by-touch").textContent = TOUCH[mode];
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !state.shown) return;
  if (document.querySelector("dialog[open]") || event.target.closest?.("input")) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // A button in focus is pressed by these.
  const onButton = event.target.closest?.("button");
  if (onButton && (name === " " || name === "Enter")) return;
  const found = [...KEYS[state.shown.mode], ...EVERYWHERE].find(([keys]) => keys.includes(name));
  const tag = state.shown.tags[TAG_KEYS.indexOf(name)];
  if (!found && !(TAG_KEYS.includes(name) && tag)) return;
  event.preventDefault();
  // A key that is held down decides once.
  if (event.repeat) return;
  if (found) found[3](name);
  else if (current()) toggleTag(tag);
}
