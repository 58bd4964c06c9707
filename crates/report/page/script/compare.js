// Two points side by side, in turn, or as their difference: all noises of a prompt in a row.

const BLINK_MS = 700;

function showCompare() {
  byId("images").hidden = pictured.length === 0;
  if (byId("images").hidden) return;
  const host = byId("compare");
  let mode = "side";
  let times = 3;
  let timer = null;
  let running = !still.matches;
  let shownSecond = false;

  const options = pictured.map((point) => [point.id, point.id]);
  const first = picker(options, state.other, (id) => change({ other: id }));
  const second = picker(options, state.selected, select);
  const prompts = picker(data.prompts.map((text, place) => [String(place), text]), "0", (value) => change({ prompt: Number(value) }));
  const step = (by, text, label) => element("button", {
    type: "button", "aria-label": label, onclick: () => change({ prompt: (state.prompt + by + data.prompts.length) % data.prompts.length }),
  }, text);
  const modes = choice("How to compare", [["side", "Side by side"], ["blink", "Blink"], ["difference", "Difference"]], () => mode, (value) => {
    mode = value;
    shownSecond = false;
    render();
  });
  const pause = element("button", { type: "button", onclick: () => { running = !running; render(); } });
  const flip = element("button", { type: "button", onclick: () => { running = false; turn(); render(); } }, "Show the other");
  const strength = element("input", { type: "range", min: 1, max: 10, step: 1, value: times });
  const strengthLabel = labelled("Amplified", strength);
  strength.addEventListener("input", () => { times = Number(strength.value); strength.setAttribute("aria-valuetext", `${times} times`); shots(); });
  const area = element("div", { class: "pair" });
  host.append(
    element("div", { class: "controls" }, labelled("First", first), labelled("Second", second), modes.element),
    element("div", { class: "controls" }, labelled("Prompt", prompts), step(-1, "‹", "Previous prompt"), step(1, "›", "Next prompt"), pause, flip, strengthLabel),
    area);

  // Of a point without images the first one that has some stands in.
  function withImages(id, instead) {
    const point = pointById.get(id);
    return point && point.sheet !== null ? point : instead;
  }
  function one() {
    return withImages(state.other, pictured[0]);
  }
  function other() {
    return withImages(state.selected, one());
  }
  function row(title, images) {
    const box = element("div", { class: "shots" }, images);
    box.style.setProperty("--shots", data.noises);
    return element("div", {}, element("h3", {}, title), box);
  }
  function imagesOf(point) {
    return Array.from({ length: data.noises }, (_, noise) => shot(point.sheet, state.prompt, noise, point.id));
  }
  function named(point) {
    return [icon(point.kind, point.standing), " ", point.id];
  }

  function shots() {
    const [a, b] = [one(), other()];
    if (mode === "blink") {
      const point = shownSecond ? b : a;
      area.replaceChildren(row(element("span", { class: "key" }, named(point)), imagesOf(point)));
      area.dataset.shown = point.id;
      return;
    }
    const rows = [row(element("span", { class: "key" }, named(a)), imagesOf(a)), row(element("span", { class: "key" }, named(b)), imagesOf(b))];
    if (mode === "difference") {
      if (!areAlike(a.sheet, b.sheet)) rows.push(element("p", {}, "These images are of different sizes."));
      else {
        const apart = Array.from({ length: data.noises }, (_, noise) => difference(a.sheet, b.sheet, state.prompt, noise, times));
        const title = element("span", {}, "difference");
        rows.push(row(title, apart));
        Promise.all(apart.map((canvas) => canvas.painted)).then((distances) => {
          title.textContent = `difference, ${times} times as strong; root mean square ${distances.map((value) => value.toFixed(1)).join(", ")} of 255`;
        });
      }
    }
    area.replaceChildren(...rows);
  }

  function turn() {
    shownSecond = !shownSecond;
    shots();
  }

  function render() {
    modes.show();
    clearInterval(timer);
    timer = null;
    pause.hidden = flip.hidden = mode !== "blink";
    pause.textContent = running ? "Pause" : "Play";
    strengthLabel.hidden = mode !== "difference";
    if (mode === "blink" && running) timer = setInterval(turn, BLINK_MS);
    first.value = one().id;
    second.value = other().id;
    prompts.value = String(state.prompt);
    shots();
  }

  still.addEventListener("change", () => { running = running && !still.matches; render(); });
  host.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && mode !== "side") {
      mode = "side";
      render();
      modes.element.querySelector("button").focus();
    }
  });
  whenever(["selected", "other", "prompt"], render);
}
