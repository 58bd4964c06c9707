// The question on the screen. Images of the next ones are loaded before they are asked for.

const ASKED = {
  pairs: "Which image is better?",
  ranking: "Order the images, the best first.",
  labels: "Is this image good?",
  scores: "How good is this image?",
};

// Up to this side images are shown pixel by pixel.
const PIXELS = 64;

const loaded = new Map();

// Returns the image's element; the same one for the same image, so that it shows without loading again.
function picture(id) {
  if (!loaded.has(id)) {
    const image = new Image();
    image.draggable = false;
    image.src = imageAddress(id);
    loaded.set(id, image);
    image.decode().then(() => {
      if (Math.max(image.naturalWidth, image.naturalHeight) <= PIXELS) image.className = "pixels";
      fit();
    }).catch(() => {
      loaded.delete(id);
      image.replaceWith(element("span", { class: "broken" }, "This image cannot be shown: skip it."));
    });
    if (loaded.size > 64) loaded.delete(loaded.keys().next().value);
  }
  return loaded.get(id);
}

// Gives all images the shape of the first.
function fit() {
  const image = byId("images").querySelector("img");
  if (image?.naturalWidth) byId("images").style.setProperty("--ratio", `${image.naturalWidth} / ${image.naturalHeight}`);
}

let drawn = null;

function showQuestion() {
  const question = current();
  for (const { images } of state.questions.slice(0, 4)) images.forEach(picture);
  if (!state.shown) return;
  const { mode } = state.shown;
  const identity = question ? `${mode} ${question.id}` : "none";
  if (identity !== drawn) {
    drawn = identity;
    byId("prompt").textContent = question ? question.prompt : "One moment …";
    byId("asked").textContent = question ? ASKED[mode] : "";
    draw(question, mode);
    if (question) announce(`${question.prompt}. ${ASKED[mode]}`);
  }
  if (question && mode === "ranking") showRanks();
}

function draw(question, mode) {
  const images = question?.images ?? [];
  byId("images").className = images.length > 2 ? "images many" : "images";
  byId("images").style.setProperty("--across", images.length > 4 ? Math.ceil(images.length / 2) : Math.max(1, images.length));
  const single = mode === "labels" || mode === "scores";
  const shots = images.map((id, index) => element(single ? "div" : "button", {
    type: single ? null : "button",
    class: "shot",
    "aria-label": single ? null : label(index, images.length, mode),
    onclick: single ? null : () => (mode === "ranking" ? rank(index) : decide(index === 0 ? "A" : "B")),
  }, named(picture(id), `image ${index + 1} of ${images.length}: ${question.prompt}`),
  single ? null : element("kbd", { class: "key hint", "aria-hidden": "true" }, String(index + 1))));
  byId("images").replaceChildren(...shots);
  fit();
  byId("answers").replaceChildren(...(question ? buttons(mode) : []));
}

function named(image, text) {
  image.alt = text;
  return image;
}

function label(index, count, mode) {
  if (mode === "ranking") return `image ${index + 1} of ${count}: next in order`;
  return `${index === 0 ? "left" : "right"} image is better`;
}

function buttons(mode) {
  const button = (text, press, shortcut, kind = null, extra = {}) =>
    element("button", { type: "button", class: kind, onclick: press, ...extra }, text, key(shortcut));
  const skip = button("Skip", () => answer("Skip"), "S");
  const back = button("Undo", undo, "U");
  if (mode === "pairs") {
    return [button("Left", () => decide("A"), "←"), button("Tie", () => decide("Tie"), "T"), button("Right", () => decide("B"), "→"), skip, back];
  }
  if (mode === "labels") return [button("Bad", () => decide("Bad"), "J", "bad"), button("Good", () => decide("Good"), "K", "good"), skip, back];
  if (mode === "scores") {
    const scores = Array.from({ length: state.shown.best }, (_, index) => index + 1);
    const score = (value) => button(String(value), () => decide({ Score: value }), value === 10 ? "0" : String(value), null, { "aria-label": `score ${value} of ${state.shown.best}` });
    return [...scores.map(score), skip, back];
  }
  return [
    button("Tie with the last", tieNext, "T", null, { id: "tie-next", "aria-pressed": "false" }),
    button("Done", finishRanking, "Enter", "main", { id: "done" }),
    button("Clear", clearRanks, "C"),
    skip, back,
  ];
}

// Decides, and shows for a moment what was chosen: the answer is on its way already.
function decide(outcome) {
  if (!current()) return;
  const words = { A: "left is better", B: "right is better", Tie: "tie", Good: "good", Bad: "bad" };
  const said = words[outcome] ?? `score ${outcome.Score}`;
  answer(outcome);
  announce(`${said}. ${current() ? current().prompt : ""}`);
}

// Ranking: images are chosen in order; "tie" gives the next one the rank of the last.
let tying = false;

function rank(index) {
  if (!current()) return;
  const highest = Math.max(0, ...state.ranks);
  if (state.ranks[index] > 0) {
    // Chosen again: it is taken out, and so is what came after it.
    const from = state.ranks[index];
    state.ranks = state.ranks.map((value, place) => (place === index || value > from ? 0 : value));
    tying = false;
  } else {
    state.ranks[index] = tying && highest > 0 ? highest : highest + 1;
    tying = false;
  }
  const left = state.ranks.filter((value) => value === 0).length;
  announce(state.ranks[index] > 0 ? `image ${index + 1} has rank ${state.ranks[index]}, ${left} left` : `image ${index + 1} has no rank`);
  changed();
}

function tieNext() {
  tying = !tying && Math.max(0, ...state.ranks) > 0;
  announce(tying ? "the next image ties with the last" : "the next image comes after the last");
  changed();
}

function clearRanks() {
  state.ranks = state.ranks.map(() => 0);
  tying = false;
  announce("ranks cleared");
  changed();
}

// The last image that has no rank needs none of its own choosing: it comes last.
function finishRanking() {
  const left = state.ranks.filter((value) => value === 0).length;
  if (!current() || left > 1) {
    announce(`${left} images have no rank yet`);
    return;
  }
  const highest = Math.max(0, ...state.ranks);
  const last = tying ? highest : highest + 1;
  const ranks = state.ranks.map((value) => value || last);
  tying = false;
  answer({ Ranks: ranks });
}

function showRanks() {
  const shots = [...byId("images").querySelectorAll(".shot")];
  shots.forEach((shot, index) => {
    const value = state.ranks[index];
    shot.querySelector(".rank")?.remove();
    shot.classList.toggle("chosen", value > 0);
    if (value > 0) shot.append(element("span", { class: "rank", "aria-hidden": "true" }, String(value)));
    const count = shots.length;
    shot.setAttribute("aria-label", value > 0 ? `image ${index + 1} of ${count}: rank ${value}` : label(index, count, "ranking"));
  });
  byId("done").disabled = state.ranks.filter((value) => value === 0).length > 1;
  byId("tie-next").disabled = Math.max(0, ...state.ranks) === 0;
  byId("tie-next").setAttribute("aria-pressed", String(tying));
}
