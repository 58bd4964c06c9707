// The report's data, and what all parts of the page ask of it.

const data = JSON.parse(document.getElementById("data").textContent);

// Rewards come first, then held-out judges.
const measures = [...data.rewards, ...data.judges].map((name, index) => ({
  name,
  index,
  isJudge: index >= data.rewards.length,
}));
const rewardMeasures = measures.filter((measure) => !measure.isJudge);
const judgeMeasures = measures.filter((measure) => measure.isJudge);

const pointById = new Map(data.points.map((point) => [point.id, point]));
const basePoint = data.points.find((point) => point.kind === "base") ?? null;
const pictured = data.points.filter((point) => point.sheet !== null);

const KINDS = { base: "base model", trained: "trained adapter", soup: "soup", blend: "blend" };
const STANDINGS = { on: "on the front", unclear: "unclear", off: "off the front" };
const SIGNS = { on: "●", unclear: "?", off: "○" };

// Returns {mean, lo, hi} of a point; lo and hi are null where no interval is known, and all of it where nothing is.
function estimate(point, index, levels) {
  const found = (levels ? point.levels : point.gains)[index];
  return found ? { mean: found[0], lo: found[1], hi: found[2] } : null;
}

function isBounded(interval) {
  return interval !== null && interval.lo !== null && interval.hi !== null;
}

// Returns whether a gain is above or below 0 beyond noise: 1, −1, or 0.
function direction(gain) {
  if (!isBounded(gain)) return 0;
  return gain.lo > 0 ? 1 : gain.hi < 0 ? -1 : 0;
}

// Points that matter most first: the base, then by how surely they are on the front.
function byImportance() {
  const rank = { on: 0, unclear: 1, off: 3 };
  const score = (point) => (point.kind === "base" ? -1 : rank[point.standing] + (point.standing === "unclear" && !point.undominated ? 1 : 0));
  return data.points
    .map((point, place) => ({ point, place }))
    .sort((one, other) => score(one.point) - score(other.point)
      || (one.point.standing === "off" ? 0 : other.point.sure - one.point.sure)
      || one.place - other.place)
    .map((entry) => entry.point);
}
