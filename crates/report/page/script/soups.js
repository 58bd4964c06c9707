// Mixing adapters: shares by slider, what they are expected to give, and images of the nearest mixture that was drawn.

function showMixer() {
  const mixtures = data.mixtures;
  const host = byId("mixer");
  if (mixtures === null) {
    host.append(element("p", { class: "prose" },
      "Soups are mixed of the adapters that were trained for one reward each. There are no two of them that are evaluated, so there is nothing to mix."));
    return;
  }
  const steps = mixtures.divisions;
  const place = new Map(mixtures.parts.map((parts, i) => [parts.join(" "), i]));
  const shareOf = (part) => percent(part / steps);
  host.append(element("p", { class: "prose" },
    `A soup is one adapter, merged from ${mixtures.corners.length} by shares; it costs no training. What it gains is expected from ${mixtures.measured} measured points, `
    + `in steps of ${percent(1 / steps)}: measure a mixture before you rely on it.`));

  const sliders = mixtures.corners.map((corner, i) => {
    const input = element("input", { type: "range", min: 0, max: steps, step: 1, "aria-label": `share of ${corner}` });
    const output = element("output", {});
    input.addEventListener("input", () => {
      start.value = "";
      change({ mix: shifted(state.mix, i, Number(input.value)) });
    });
    return { input, output, row: element("label", {}, element("span", {}, corner), input, output) };
  });
  const starts = [["equal", "equal shares"], ...mixtures.drawn.filter(({ point }) => point !== null).map(({ point }) => [point, point])];
  const start = picker([["", "–"], ...starts], "", (value) => {
    const known = mixtures.drawn.find(({ point }) => point === value);
    if (value === "equal") change({ mix: apportioned(steps, mixtures.corners.map(() => 1)) });
    else if (known) change({ mix: apportioned(steps, known.shares) });
  });
  const expected = element("div", { class: "bars", "aria-live": "off" });
  const images = element("div", {});
  const command = element("div", {});
  const chartHost = element("div", { class: "chart" });
  const said = element("p", { class: "dim" });
  host.append(
    element("div", { class: "panel" },
      element("div", { class: "controls small" }, labelled("Start from", start)),
      element("div", { class: "split wide" },
        element("div", {},
          element("div", { class: "sliders", role: "group", "aria-label": "Shares of the adapters" }, sliders.map(({ row }) => row)),
          said, expected),
        element("div", {}, images)),
    ),
    element("div", { class: "split" },
      element("div", { class: "panel" }, chartHost, element("div", { class: "legend" }, legend(["base", "trained", "soup", "expected"]))),
      element("div", { class: "panel" }, element("h3", {}, "Make this adapter"), command)));

  const corners = new Set(mixtures.corners);
  const known = data.points.filter((point) => point.kind === "base" || corners.has(point.id) || point.kind === "soup");
  const chart = createChart(chartHost, {
    points: () => known, expected: forecastPoint, ratio: 0.7, label: "Expected mixture among measured points. Arrow keys move, Page Down goes through all, Enter selects.",
  });

  function forecast(index) {
    const [mean, half] = mixtures.expected[place.get(state.mix.join(" "))][index];
    return half === null ? { mean, lo: null, hi: null } : { mean, lo: mean - half, hi: mean + half };
  }

  // Levels are the base's mean and the gain on top of it.
  function forecastPoint() {
    if (state.mix === null || Math.max(state.x, state.y) >= rewardMeasures.length) return null;
    const of = (index) => {
      const { mean, lo, hi } = forecast(index);
      const from = state.levels ? (estimate(basePoint, index, true)?.mean ?? 0) : 0;
      return { mean: mean + from, lo: lo === null ? null : lo + from, hi: hi === null ? null : hi + from };
    };
    return { x: of(state.x), y: of(state.y) };
  }

  function show() {
    state.mix.forEach((part, i) => {
      const { input, output } = sliders[i];
      input.value = part;
      input.setAttribute("aria-valuetext", shareOf(part));
      output.textContent = shareOf(part);
    });
    said.textContent = "Expected gains over the base, 95 % intervals";
    expected.replaceChildren(...rewardMeasures.map(({ index, name }) => {
      const gain = forecast(index);
      const [lo, hi] = span(index, false);
      return barLine(name, gain, index, false, [Math.min(lo, gain.lo ?? gain.mean), Math.max(hi, gain.hi ?? gain.mean)]);
    }));
    showImages();
    const at = mixtures.corners.map((corner, i) => [corner, state.mix[i] / steps]).filter(([, share]) => share > 0)
      .map(([corner, share]) => `${corner}=${Number(share.toFixed(4))}`).join(",");
    command.replaceChildren(
      element("p", { class: "dim" }, "Merges, measures on the held-out prompts, and writes the adapter for diffusers and ComfyUI:"),
      code(`moa merge ${data.usage.folder} --at ${at} --format diffusers -o mixture`, "the command that merges this mixture"),
      element("p", { class: "dim" }, "Looks for the shares that keep what you ask for, instead:"),
      code(`moa merge ${data.usage.folder} --where "${data.rewards[0]}>=base" --maximize ${data.rewards[data.rewards.length - 1]} --format diffusers -o mixture`,
        "the command that looks for a mixture"));
    chart.render();
  }

  function showImages() {
    const own = state.mix.map((part) => part / steps);
    const far = ({ shares: theirs }) => theirs.reduce((sum, share, i) => sum + Math.abs(share - own[i]), 0);
    const nearest = mixtures.drawn.reduce((best, drawn) => (best === null || far(drawn) < far(best) - 1e-9 ? drawn : best), null);
    if (nearest === null) {
      images.replaceChildren(element("p", { class: "dim" }, "This report has no images of soups."));
      return;
    }
    const mixed = nearest.shares.map((share, i) => [share, mixtures.corners[i]]).filter(([share]) => share > 0.004)
      .map(([share, corner]) => `${percent(share)} ${corner}`).join(" + ");
    const title = far(nearest) < 0.005 ? "Images of this mixture" : `Images of the nearest mixture that was drawn: ${mixed}`;
    const noise = state.noise;
    images.replaceChildren(element("p", { class: "dim" }, title),
      element("div", { class: "figures" }, data.prompts.map((text, prompt) =>
        element("figure", {}, shot(nearest.sheet, prompt, noise, mixed), element("figcaption", { title: text }, text)))));
  }

  const centre = mixtures.corners.map(() => 1);
  state.mix = apportioned(steps, centre);
  whenever(["mix", "noise"], show);
  whenever(["x", "y", "levels"], chart.render);
  whenever(["selected", "hovered"], chart.highlight);
}

// Divides `whole` in proportion to weights, by largest remainders.
function apportioned(whole, weights) {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const exact = weights.map((weight) => (whole * weight) / sum);
  const parts = exact.map(Math.floor);
  const order = exact.map((_, i) => i).sort((a, b) => (exact[b] - parts[b]) - (exact[a] - parts[a]) || a - b);
  for (let i = 0, left = whole - parts.reduce((a, b) => a + b, 0); i < left; i += 1) parts[order[i % order.length]] += 1;
  return parts;
}

// Gives one corner a share; the others keep their proportions.
function shifted(parts, place, to) {
  const whole = parts.reduce((a, b) => a + b, 0);
  let others = parts.map((part, i) => (i === place ? 0 : part));
  if (others.every((part) => part === 0)) others = parts.map((_, i) => (i === place ? 0 : 1));
  const shared = apportioned(whole - to, others);
  shared[place] = to;
  return shared;
}
