// Two measures against each other: marks with error bars and names. Marks are reached by pointer, finger and arrow keys.

// More marks than these are drawn as a cloud that only pointers reach; the table has all points.
const MOST_MARKS = 300;
// With more marks than these, error bars are those of the point that is looked at.
const MOST_BARS = 60;
const MOST_NAMES = 40;
const RADIUS = 5.2;
const NEAR = 26;

// Returns round numbers between two ends, about `count` of them, and their decimals.
function ticks(lo, hi, count) {
  const rough = (hi - lo) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const places = Math.max(0, -Math.floor(Math.log10(step)) + (Math.abs(step / power - 2.5) < 1e-9 ? 1 : 0));
  const values = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + 1e-9 * step; i += 1) values.push(i * step);
  return { values, places: Math.min(places, 6) };
}

function extent(values) {
  let [lo, hi] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  if (!(hi > lo)) [lo, hi] = [lo - Math.max(1e-3, 0.1 * Math.abs(lo)), hi + Math.max(1e-3, 0.1 * Math.abs(hi))];
  const pad = 0.07 * (hi - lo);
  return [lo - pad, hi + pad];
}

// - points(): those that are drawn
// - expected(): {x, y} of a mixture that is not measured, or null
// - ratio: height over width
function createChart(host, { points, expected = () => null, label, ratio = 0.8, tip = true }) {
  const svg = drawing("svg", { role: "listbox", "aria-label": label });
  const bubble = element("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  host.append(svg, bubble);
  let placed = [];
  let marks = new Map();
  let focused = null;
  // Whether a finger has opened the card, which no pointer then hovers over.
  let isTouched = false;

  function value(point, index) {
    return estimate(point, index, state.levels);
  }

  function render() {
    const width = Math.max(240, host.clientWidth);
    const height = Math.round(Math.min(560, Math.max(280, ratio * width)));
    const shown = points().filter((point) => value(point, state.x) && value(point, state.y));
    const extra = expected();
    const refocus = focused !== null && marks.get(focused)?.contains(document.activeElement);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    marks = new Map();
    placed = [];
    if (shown.length === 0) {
      svg.append(drawing("text", { x: 12, y: 28 }, "Nothing is evaluated by these measures yet."));
      return;
    }
    const few = shown.length <= MOST_BARS;
    const ends = (index, own) => extent(shown.flatMap((point) => {
      const { mean, lo, hi } = value(point, index);
      return few && lo !== null && hi !== null ? [lo, hi] : [mean];
    }).concat(own ? [own.lo ?? own.mean, own.hi ?? own.mean] : [], state.levels ? [] : [0]));
    const [xs, ys] = [ends(state.x, extra?.x), ends(state.y, extra?.y)];
    const yTicks = ticks(...ys, Math.max(3, height / 70));
    const yTexts = yTicks.values.map((tick) => tickText(tick, yTicks.places, !state.levels));
    const left = Math.ceil(Math.max(...yTexts.map((text) => textWidth(text, "12px sans-serif")))) + 36;
    const frame = { left, right: width - 12, top: 10, bottom: height - 46 };
    const px = (x) => frame.left + ((x - xs[0]) / (xs[1] - xs[0])) * (frame.right - frame.left);
    const py = (y) => frame.bottom - ((y - ys[0]) / (ys[1] - ys[0])) * (frame.bottom - frame.top);
    svg.append(axes(frame, px, py, xs, yTicks, yTexts));

    const rank = new Map(byImportance().map((point, place) => [point.id, place]));
    const order = [...shown].sort((one, other) => rank.get(one.id) - rank.get(other.id));
    const reachable = order.slice(0, MOST_MARKS);
    const selected = shown.find((point) => point.id === state.selected);
    if (selected && !reachable.includes(selected)) reachable.push(selected);
    placed = shown.map((point) => ({ point, x: px(value(point, state.x).mean), y: py(value(point, state.y).mean) }));
    const at = new Map(placed.map((entry) => [entry.point.id, entry]));
    const cloud = placed.filter(({ point }) => !reachable.includes(point));
    if (cloud.length > 0) {
      const path = cloud.map(({ x, y }) => `M${x.toFixed(1)} ${y.toFixed(1)}h.01`).join("");
      svg.append(drawing("path", { d: path, class: "cloud trained", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round" }));
    }
    const bars = drawing("g", { "aria-hidden": "true" });
    svg.append(bars);
    const drawBars = (list) => bars.replaceChildren(...list.map((point) =>
      errorBars(point.kind, value(point, state.x), value(point, state.y), px, py)));
    svg.bars = () => drawBars(few ? shown : shown.filter((point) => [state.selected, state.hovered, focused].includes(point.id)));
    svg.bars();
    if (state.names) svg.append(names(order.slice(0, MOST_NAMES), at, frame));
    for (const point of [...reachable].reverse()) {
      const { x, y } = at.get(point.id);
      const mark = drawing("g", {
        class: `mark ${point.kind}`, role: "option", tabindex: -1, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
        "aria-label": describe(point), "data-id": point.id,
      }, drawing("circle", { r: 9.5, class: "ring" }), markShape(point.kind, point.standing, RADIUS));
      marks.set(point.id, mark);
      svg.append(mark);
    }
    if (extra) {
      const [x, y] = [px(extra.x.mean), py(extra.y.mean)];
      svg.append(drawing("g", { "aria-hidden": "true" }, errorBars("expected", extra.x, extra.y, px, py)),
        drawing("g", { class: "expected", transform: `translate(${x} ${y})`, "aria-hidden": "true" }, markShape("expected", "on", 6)));
    }
    focused = marks.has(focused) ? focused : (marks.has(state.selected) ? state.selected : reachable[0].id);
    marks.get(focused).setAttribute("tabindex", 0);
    highlight();
    if (refocus) marks.get(focused).focus({ preventScroll: true });
  }

  function highlight() {
    for (const [id, mark] of marks) mark.setAttribute("aria-selected", String(id === state.selected));
    svg.bars?.();
    if (tip) showTip();
  }

  function showTip() {
    const entry = placed.find(({ point }) => point.id === state.hovered);
    const isHere = host.matches(":hover") || host.contains(document.activeElement) || isTouched;
    bubble.hidden = !entry || !isHere;
    if (bubble.hidden) return;
    bubble.replaceChildren(...tipOf(entry.point));
    const [width, height] = [bubble.offsetWidth, bubble.offsetHeight];
    const scale = svg.clientWidth / svg.viewBox.baseVal.width;
    const [x, y] = [entry.x * scale, entry.y * scale];
    const right = x + 18 + width <= host.clientWidth;
    const place = right ? x + 18 : Math.max(0, x - 18 - width);
    // Where there is room on neither side it stands above or below, so that the mark is not covered.
    const covers = !right && x - 18 - width < 0;
    const top = covers ? (y > host.clientHeight / 2 ? y - height - 18 : y + 18) : y - height / 2;
    bubble.style.left = `${Math.min(place, Math.max(0, host.clientWidth - width))}px`;
    bubble.style.top = `${covers ? top : Math.min(Math.max(top, 0), Math.max(0, host.clientHeight - height))}px`;
  }

  function nearest(event) {
    const area = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / area.width;
    const [x, y] = [(event.clientX - area.left) * scale, (event.clientY - area.top) * scale];
    let best = null;
    for (const entry of placed) {
      const distance = Math.hypot(entry.x - x, entry.y - y);
      if (distance < (best?.distance ?? NEAR)) best = { id: entry.point.id, distance };
    }
    return best?.id ?? null;
  }

  function move(dx, dy) {
    const from = placed.find(({ point }) => point.id === focused);
    let best = null;
    for (const entry of placed) {
      if (!marks.has(entry.point.id) || entry === from) continue;
      const [x, y] = [entry.x - from.x, entry.y - from.y];
      const [ahead, aside] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
      const cost = ahead + 2 * aside;
      if (ahead > 0.5 && cost < (best?.cost ?? Infinity)) best = { id: entry.point.id, cost };
    }
    if (best) focus(best.id);
  }

  // The marks one after the other: every one can be reached, however they lie.
  function turn(by) {
    const ids = [...marks.keys()].reverse();
    focus(ids[(ids.indexOf(focused) + by + ids.length) % ids.length]);
  }

  function focus(id) {
    marks.get(focused)?.setAttribute("tabindex", -1);
    focused = id;
    marks.get(id).setAttribute("tabindex", 0);
    marks.get(id).focus({ preventScroll: true });
  }

  svg.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") change({ hovered: nearest(event) });
  });
  svg.addEventListener("pointerleave", () => change({ hovered: null }));
  svg.addEventListener("click", (event) => {
    const id = nearest(event);
    isTouched = event.pointerType === "touch" && id !== null;
    if (id) select(id);
    change({ hovered: id });
  });
  document.addEventListener("pointerdown", (event) => {
    if (!isTouched || host.contains(event.target)) return;
    isTouched = false;
    change({ hovered: null });
  });
  svg.addEventListener("focusin", (event) => {
    const id = event.target.closest(".mark")?.dataset.id;
    if (id) {
      focused = id;
      change({ hovered: id });
      showTip();
    }
  });
  svg.addEventListener("focusout", () => change({ hovered: null }));
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) move(...moves[event.key]);
    else if (event.key === "PageDown" || event.key === "PageUp") turn(event.key === "PageDown" ? 1 : -1);
    else if (event.key === "Home" && marks.has(basePoint?.id)) focus(basePoint.id);
    else if (event.key === "Enter" || event.key === " ") select(focused);
    else if (event.key === "Escape") change({ hovered: null });
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => requestAnimationFrame(render)).observe(host);
  return { render, highlight };
}

function axes(frame, px, py, xs, yTicks, yTexts) {
  const group = drawing("g", { "aria-hidden": "true" });
  const xTicks = ticks(...xs, Math.max(3, (frame.right - frame.left) / 90));
  const line = (attributes) => group.append(drawing("line", attributes));
  for (const tick of xTicks.values) {
    line({ x1: px(tick), x2: px(tick), y1: frame.top, y2: frame.bottom, class: Math.abs(tick) < 1e-12 ? "zero" : "grid" });
    group.append(drawing("text", { x: px(tick), y: frame.bottom + 17, "text-anchor": "middle" },
      tickText(tick, xTicks.places, !state.levels)));
  }
  yTicks.values.forEach((tick, place) => {
    line({ x1: frame.left, x2: frame.right, y1: py(tick), y2: py(tick), class: Math.abs(tick) < 1e-12 ? "zero" : "grid" });
    group.append(drawing("text", { x: frame.left - 7, y: py(tick) + 4, "text-anchor": "end" }, yTexts[place]));
  });
  group.append(
    drawing("rect", { x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top, class: "frame" }),
    drawing("text", { x: (frame.left + frame.right) / 2, y: frame.bottom + 38, "text-anchor": "middle", class: "axis-title" },
      axisTitle(state.x, state.levels)),
    drawing("text", {
      transform: `translate(14 ${(frame.top + frame.bottom) / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis-title",
    }, axisTitle(state.y, state.levels)));
  return group;
}

function errorBars(kind, x, y, px, py) {
  const line = (x1, y1, x2, y2) =>
    drawing("line", { x1, y1, x2, y2, class: kind, stroke: "currentColor", "stroke-opacity": 0.4, "stroke-width": 1.3 });
  const [cx, cy] = [px(x.mean), py(y.mean)];
  const lines = [];
  if (isBounded(x) && x.hi > x.lo) lines.push(line(px(x.lo), cy, px(x.hi), cy));
  if (isBounded(y) && y.hi > y.lo) lines.push(line(cx, py(y.lo), cx, py(y.hi)));
  return drawing("g", {}, lines);
}

function names(shown, at, frame) {
  const font = "12px system-ui, sans-serif";
  const short = (text) => (text.length > 34 ? `${text.slice(0, 33)}…` : text);
  const labels = shown.map((point) => ({ text: short(point.label), radius: RADIUS, x: at.get(point.id).x, y: at.get(point.id).y }));
  const obstacles = [...at.values()].slice(0, 200).map(({ x, y }) =>
    ({ left: x - 7, right: x + 7, top: y - 7, bottom: y + 7, cost: 0.6 }));
  const boxes = placeLabels(labels, frame, obstacles, font, 13);
  const group = drawing("g", { "aria-hidden": "true" });
  boxes.forEach((box, i) => {
    if (box === null) return;
    const { text, x, y } = labels[i];
    const [nx, ny] = [Math.min(Math.max(x, box.left), box.right), Math.min(Math.max(y, box.top), box.bottom)];
    const distance = Math.hypot(nx - x, ny - y);
    if (distance > RADIUS + 8) {
      const cut = (RADIUS + 2) / distance;
      group.append(drawing("line", { x1: x + cut * (nx - x), y1: y + cut * (ny - y), x2: nx, y2: ny, class: "leader" }));
    }
    group.append(drawing("text", { x: box.left, y: box.bottom - 2.5, class: "name" }, text));
  });
  return group;
}
