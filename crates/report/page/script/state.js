// What is chosen on the page, in one place: parts change it, and hear of changes.

const state = {
  // The point that is selected, and the one that is looked at in passing.
  selected: null,
  hovered: null,
  // The chart's measures, and whether it shows levels in place of gains.
  x: 0,
  y: measures.length > 1 ? 1 : 0,
  levels: basePoint === null,
  names: true,
  // Of the images: which prompt and noise are shown, and what the selected point is compared with.
  prompt: 0,
  noise: 0,
  other: basePoint?.id ?? data.points[0]?.id ?? null,
  // Steps of each corner's share, on the slider.
  mix: null,
};

// Whether the reader wants no motion.
const still = matchMedia("(prefers-reduced-motion: reduce)");

const listeners = [];

// Calls `listener` when one of these fields has changed, and once at the start.
function whenever(fields, listener) {
  listeners.push({ fields, listener });
}

function change(patch) {
  const changed = Object.keys(patch).filter((field) => state[field] !== patch[field]);
  if (changed.length === 0) return;
  Object.assign(state, patch);
  for (const { fields, listener } of listeners) {
    if (fields.some((field) => changed.includes(field))) listener();
  }
}

function showEverything() {
  for (const { listener } of listeners) listener();
}

// Says something to screen readers.
function announce(text) {
  document.getElementById("live").textContent = text;
}

function select(id) {
  const point = pointById.get(id);
  if (!point) return;
  change({ selected: id });
  announce(`selected: ${describe(point)}`);
}
