// The selected point: its gains with their intervals, and its images beside the base's.

function showDetails() {
  const host = byId("details");
  whenever(["selected", "noise"], () => {
    const point = pointById.get(state.selected);
    host.hidden = !point;
    if (point) host.replaceChildren(head(point), body(point), ...findings(point));
  });
}

function head(point) {
  const mixed = point.kind !== "base" && point.weighting.length > 1 ? [element("span", { class: "dim" }, shares(point))] : [];
  return element("div", { class: "head" },
    element("h3", { class: "key" }, icon(point.kind, point.standing), point.id),
    element("span", { class: "dim" }, `${kindOf(point)}, ${standing(point)}`), mixed);
}

function body(point) {
  const gains = element("div", {}, gainBars(point));
  if (point.sheet === null) {
    gains.append(element("p", { class: "dim" }, pictured.length > 0 ? "This report has no images of this point." : "This report has no images."));
    return gains;
  }
  return element("div", { class: "split wide" }, gains, besideBase(point));
}

function findings(point) {
  return point.hacking.map((text) => element("p", { class: "warning", role: "note" }, `⚠ ${text}`));
}

function gainBars(point) {
  const levels = basePoint === null || point.kind === "base";
  const rows = measures.filter(({ index }) => estimate(point, index, levels) !== null);
  const bars = rows.map(({ index }) => barLine(measureName(index), estimate(point, index, levels), index, levels, span(index, levels)));
  const title = levels ? "Means" : "Gains over the base";
  return [element("p", { class: "dim" }, `${title}${rows.some(({ index }) => isBounded(estimate(point, index, levels))) ? ", 95 % intervals" : ""}`),
    element("div", { class: "bars" }, bars)];
}

// The ends of a measure over all points, so that bars of different points compare.
function span(index, levels) {
  const values = data.points.flatMap((point) => {
    const found = estimate(point, index, levels);
    return found === null ? [] : [found.mean, found.lo ?? found.mean, found.hi ?? found.mean];
  });
  if (!levels) values.push(0);
  return values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
}

function barLine(name, interval, index, levels, ends) {
  return element("div", { class: "line" }, element("span", {}, name), bar(interval, levels, ends),
    element("span", { class: levels ? "" : tone(interval) }, inWords(interval, index, levels)));
}

function bar(interval, levels, [lo, hi]) {
  const width = 200;
  const at = (value) => 4 + ((value - lo) / (hi - lo || 1)) * (width - 8);
  const svg = drawing("svg", { viewBox: `0 0 ${width} 18`, preserveAspectRatio: "none", "aria-hidden": "true", class: levels ? "dim" : tone(interval) || "dim" });
  const line = (attributes) => svg.append(drawing("line", { "vector-effect": "non-scaling-stroke", ...attributes }));
  line({ x1: 0, x2: width, y1: 9, y2: 9, stroke: "var(--faint)", "stroke-width": 8 });
  if (!levels) line({ x1: at(0), x2: at(0), y1: 1, y2: 17, stroke: "var(--grey)", "stroke-width": 1 });
  if (isBounded(interval)) line({ x1: at(interval.lo), x2: at(interval.hi), y1: 9, y2: 9, stroke: "currentColor", "stroke-width": 4, "stroke-opacity": 0.45 });
  line({ x1: at(interval.mean), x2: at(interval.mean), y1: 3, y2: 15, stroke: "currentColor", "stroke-width": 3 });
  return svg;
}

// Each prompt by the base and by the point, from the same noise.
function besideBase(point) {
  const compared = basePoint?.sheet !== null && basePoint !== null && point !== basePoint && areAlike(basePoint.sheet, point.sheet);
  const figures = data.prompts.map((text, prompt) => element("figure", {},
    compared ? shot(basePoint.sheet, prompt, state.noise, basePoint.id) : null,
    shot(point.sheet, prompt, state.noise, point.id),
    element("figcaption", { title: text }, text)));
  const noises = choice("Noise", Array.from({ length: data.noises }, (_, noise) => [noise, String(noise + 1)]), () => state.noise,
    (noise) => change({ noise }));
  noises.show();
  return element("div", {},
    element("div", { class: "controls small" },
      element("span", { class: "dim" }, compared ? `Above: ${basePoint.id}. Below: ${point.id}. Same prompts and noise.` : "Images"),
      data.noises > 1 ? labelled("Noise", noises.element) : null),
    element("div", { class: "figures" }, figures));
}
