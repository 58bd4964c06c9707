// What stands for a point: its shape says the kind, its fill whether it is on the front.

function polygon(corners) {
  return `M${corners.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}Z`;
}

function star(reach) {
  return polygon(Array.from({ length: 10 }, (_, i) => {
    const [angle, length] = [(i * Math.PI) / 5, i % 2 === 0 ? reach : 0.45 * reach];
    return [length * Math.sin(angle), -length * Math.cos(angle)];
  }));
}

const SHAPES = {
  base: (r) => star(1.55 * r),
  trained: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  soup: (r) => polygon([[0, -1.25 * r], [1.25 * r, 0], [0, 1.25 * r], [-1.25 * r, 0]]),
  blend: (r) => polygon([[-0.9 * r, -0.9 * r], [0.9 * r, -0.9 * r], [0.9 * r, 0.9 * r], [-0.9 * r, 0.9 * r]]),
  expected: (r) => `M${-1.2 * r} 0H${1.2 * r}M0 ${-1.2 * r}V${1.2 * r}`,
};

// Filled: on the front. Hollow: unclear. Hollow and faint: off it. The base is always filled.
function markShape(kind, standingOf, radius) {
  const path = { d: SHAPES[kind](radius), "stroke-linejoin": "round" };
  if (kind === "expected") return drawing("path", { ...path, stroke: "currentColor", "stroke-width": 2.5, fill: "none" });
  if (kind === "base" || standingOf === "on") {
    return drawing("path", { ...path, fill: "currentColor", stroke: "var(--panel)", "stroke-width": 1.2 });
  }
  const faint = standingOf === "off";
  return drawing("path", {
    ...path,
    fill: "var(--panel)",
    stroke: "currentColor",
    "stroke-width": faint ? 1.2 : 2.2,
    "stroke-opacity": faint ? 0.6 : 1,
    "stroke-dasharray": faint ? "2 1.6" : null,
  });
}

// A mark by itself, as legends and lists have it.
function icon(kind, standingOf = "on") {
  return drawing("svg", { viewBox: "-10 -10 20 20", class: kind, "aria-hidden": "true", width: 16, height: 16 },
    markShape(kind, standingOf, 5.2));
}

function legend(kinds) {
  const kindKeys = kinds.map((kind) => element("span", {}, icon(kind), KINDS[kind] ?? "expected mixture"));
  const some = kinds.find((kind) => kind !== "base" && kind !== "expected");
  const standingKeys = some === undefined ? [] : ["on", "unclear", "off"].map((name) =>
    element("span", {}, icon(some, name), name === "on" ? "on the front" : name === "off" ? "off it" : "noise leaves it open"));
  return [...kindKeys, ...standingKeys];
}
