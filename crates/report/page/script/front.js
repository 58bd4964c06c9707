// The front: axes, the chart, and the card of the point that is looked at.

function showFront() {
  const options = measures.map((measure) => [String(measure.index), measureName(measure.index)]);
  const axis = (field, text) => labelled(text, picker(options, String(state[field]), (value) => change({ [field]: Number(value) })));
  const levels = choice("What is shown", [[false, "Gains over the base"], [true, "Levels"]], () => state.levels,
    (value) => change({ levels: value }));
  const names = element("button", { type: "button", onclick: () => change({ names: !state.names }) }, "Names");
  byId("front-controls").append(
    ...(measures.length > 1 ? [axis("x", "Across"), axis("y", "Up")] : []),
    ...(basePoint ? [levels.element] : []),
    names);
  const chart = createChart(byId("chart"), { points: () => data.points, label: "Points of the front. Arrow keys move, Page Down goes through all, Enter selects." });
  byId("legend").append(...legend(Object.keys(KINDS).filter((kind) => data.points.some((point) => point.kind === kind))));
  whenever(["x", "y", "levels", "names"], () => {
    levels.show();
    names.setAttribute("aria-pressed", String(state.names));
    chart.render();
  });
  whenever(["selected", "hovered"], chart.highlight);
}

// Prompts whose images a card shows.
const ON_CARD = 4;

function tipOf(point) {
  const lines = rewardMeasures.slice(0, 8).map(({ index, name }) => {
    const gain = estimate(point, index, state.levels);
    return element("div", { class: "line" },
      element("dt", {}, name), element("dd", { class: tone(state.levels ? null : gain) }, inWords(gain, index, state.levels)));
  });
  const images = point.sheet === null ? [] : [element("div", { class: "strip" },
    data.prompts.slice(0, ON_CARD).map((_, prompt) => shot(point.sheet, prompt, 0, point.id)))];
  const hacking = point.hacking.length > 0 ? [element("div", { class: "down" }, "⚠ suspected reward hacking")] : [];
  return [
    element("span", { class: "key" }, icon(point.kind, point.standing), element("span", { class: "name" }, point.id)),
    element("div", { class: "dim" }, standing(point)),
    ...images,
    element("dl", {}, lines),
    ...hacking,
  ];
}

// The class of a gain: above or below the base beyond noise.
function tone(gain) {
  return { 1: "up", "-1": "down", 0: "" }[direction(gain)];
}
