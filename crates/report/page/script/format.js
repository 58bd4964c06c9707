// Numbers and points in words.

// Decimals by measure: so many that half an interval has a digit above 3, or two digits; of values where there are no intervals.
const decimals = measures.map(({ index }) => {
  const sizes = [];
  for (const point of data.points) {
    const gain = estimate(point, index, false) ?? estimate(point, index, true);
    if (gain === null || point.kind === "base") continue;
    sizes.push(isBounded(gain) && gain.hi > gain.lo ? (gain.hi - gain.lo) / 2 : Math.abs(gain.mean));
  }
  const size = sizes.sort((one, other) => one - other)[sizes.length >> 1] ?? 0;
  return size > 0 ? Math.min(5, Math.max(0, Math.ceil(-Math.log10(size / 3)))) : 3;
});

function number(value, places) {
  return value.toFixed(places).replace("-", "−");
}

// A number beside an axis: 0 has no sign.
function tickText(value, places, isSigned) {
  if (Math.abs(value) < 1e-12) return "0";
  return isSigned ? signed(value, places) : number(value, places);
}

function signed(value, places) {
  const text = number(value, places);
  return value >= 0 || Number(value.toFixed(places)) === 0 ? `+${text.replace("−", "")}` : text;
}

function ofMeasure(value, index, levels) {
  return levels ? number(value, decimals[index]) : signed(value, decimals[index]);
}

// "+0.058 (+0.042 to +0.071)"
function inWords(interval, index, levels) {
  if (interval === null) return "not known";
  const mean = ofMeasure(interval.mean, index, levels);
  if (!isBounded(interval) || interval.hi <= interval.lo) return mean;
  return `${mean} (${ofMeasure(interval.lo, index, levels)} to ${ofMeasure(interval.hi, index, levels)})`;
}

function halfWidth(interval, index) {
  if (!isBounded(interval) || interval.hi <= interval.lo) return "";
  return `± ${number((interval.hi - interval.lo) / 2, decimals[index])}`;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

// Confidence never reads as certain.
function confidence(sure) {
  return `${Math.min(99, Math.floor(100 * sure))} %`;
}

function standing(point) {
  if (point.standing === "unclear") {
    if (!point.undominated) return "dominated by the means, though noise leaves it open";
    return point.sure >= 0.01 ? `on the front by the means, ${confidence(point.sure)} sure` : "on the front by the means, though noise leaves it open";
  }
  return `${STANDINGS[point.standing]}, ${confidence(point.sure)} sure`;
}

function kindOf(point) {
  return point.added ? `${KINDS[point.kind]} that was added to the experiment` : KINDS[point.kind];
}

function shares(point) {
  const parts = point.weighting.map((share, index) => [share, data.rewards[index]]).filter(([share]) => share >= 0.005);
  return parts.map(([share, name]) => `${percent(share)} ${name}`).join(" + ");
}

function measureName(index) {
  return measures[index].isJudge ? `${measures[index].name} (judge)` : measures[index].name;
}

function axisTitle(index, levels) {
  return levels ? measureName(index) : `gain in ${measureName(index)}`;
}

// A point with everything that its mark shows.
function describe(point) {
  const values = [state.x, state.y].filter((index, place, all) => all.indexOf(index) === place).map((index) =>
    `${axisTitle(index, state.levels)} ${inWords(estimate(point, index, state.levels), index, state.levels)}`);
  const marked = point.hacking.length > 0 ? ", suspected of reward hacking" : "";
  return `${point.id}, ${kindOf(point)}, ${standing(point)}${marked}; ${values.join(", ")}`;
}
