// Curves over epochs, a panel for each reward and judge; a run is picked out by its name.

const SERIES = 7;

function showCurves() {
  byId("curves").hidden = data.curves.length === 0;
  if (byId("curves").hidden) return;
  const host = byId("curve-panels");
  const runs = [...new Set(data.curves.flatMap((group) => group.panels.flatMap((panel) => panel.lines.map((line) => line.run))))];
  const style = (run) => {
    const place = runs.indexOf(run);
    return { stroke: `var(--series-${place % SERIES})`, "stroke-dasharray": ["", "6 3", "2 3", "8 3 2 3"][Math.floor(place / SERIES) % 4] || null };
  };
  let group = data.curves[0];
  const about = element("p", { class: "prose" });
  const panels = element("div", { class: "multiples" });
  const groups = choice("Curves", data.curves.map((each) => [each, each.title]), () => group, (chosen) => {
    group = chosen;
    render();
  });
  const keys = runs.map((run) => {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = style(run).stroke;
    return element("button", { type: "button", "data-run": run, onclick: () => select(run), disabled: !pointById.has(run) }, swatch, run);
  });
  host.append(...(data.curves.length > 1 ? [element("div", { class: "controls" }, groups.element)] : []), about,
    element("div", { class: "keys", role: "group", "aria-label": "Runs" }, keys), panels);

  function render() {
    groups.show();
    about.textContent = group.about;
    panels.replaceChildren(...group.panels.map((panel) => {
      const box = element("div", { class: "chart" });
      const last = panel.lines.map(({ run, points }) => `${run} ${points.at(-1)[1]}`).join(", ");
      box.append(curvePanel(panel, style, `${panel.title} by epoch. At the end: ${last}`));
      return element("div", { class: "panel" }, element("h3", {}, panel.title), box);
    }));
    lit();
  }

  function lit() {
    const chosen = runs.includes(state.selected) ? state.selected : null;
    keys.forEach((key) => key.setAttribute("aria-pressed", String(key.dataset.run === chosen)));
    for (const curve of panels.querySelectorAll(".curve")) {
      curve.classList.toggle("is-dim", chosen !== null && curve.dataset.run !== chosen);
      curve.classList.toggle("is-lit", curve.dataset.run === chosen);
    }
  }

  render();
  whenever(["selected"], lit);
}

function curvePanel(panel, style, label) {
  const [width, height] = [340, 190];
  const points = panel.lines.flatMap((line) => line.points).filter(([, value]) => value !== null);
  const ys = extent(points.map(([, value]) => value));
  const xs = [Math.min(...points.map(([epoch]) => epoch)), Math.max(...points.map(([epoch]) => epoch))];
  if (xs[0] === xs[1]) xs[1] += 1;
  const yTicks = ticks(...ys, 4);
  const texts = yTicks.values.map((tick) => tickText(tick, yTicks.places, false));
  const frame = { left: Math.ceil(Math.max(...texts.map((text) => textWidth(text, "11px sans-serif")))) + 12, right: width - 8, top: 6, bottom: height - 34 };
  const px = (x) => frame.left + ((x - xs[0]) / (xs[1] - xs[0])) * (frame.right - frame.left);
  const py = (y) => frame.bottom - ((y - ys[0]) / (ys[1] - ys[0])) * (frame.bottom - frame.top);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  yTicks.values.forEach((tick, i) => svg.append(
    drawing("line", { x1: frame.left, x2: frame.right, y1: py(tick), y2: py(tick), class: Math.abs(tick) < 1e-12 ? "zero" : "grid" }),
    drawing("text", { x: frame.left - 6, y: py(tick) + 4, "text-anchor": "end" }, texts[i])));
  const xTicks = ticks(...xs, 4).values.filter(Number.isInteger);
  xTicks.forEach((tick) => svg.append(drawing("text", { x: px(tick), y: frame.bottom + 15, "text-anchor": "middle" }, String(tick))));
  svg.append(
    drawing("text", { x: (frame.left + frame.right) / 2, y: height - 3, "text-anchor": "middle" }, "epoch"),
    drawing("rect", { x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top, class: "frame" }));
  for (const { run, points: line } of panel.lines) {
    const known = line.filter(([, value]) => value !== null);
    const path = `M${known.map(([epoch, value]) => `${px(epoch).toFixed(1)} ${py(value).toFixed(1)}`).join("L")}`;
    svg.append(drawing("path", { d: path, class: "curve", "data-run": run, ...style(run) }, drawing("title", {}, run)));
  }
  return svg;
}
