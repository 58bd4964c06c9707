// Points as a list that sorts. Rows are reached by arrow keys; the selected one is the page's.

// Rows on a page of the list.
const PAGE = 50;

// A column: {title, about, left, value(point) to sort by, cells(point) nodes}.
const nameColumn = {
  title: "point", left: true, value: (point) => point.id,
  cells: (point) => [element("span", { class: "key" }, icon(point.kind, point.standing), point.id, element("span", { class: "unseen" }, `, ${KINDS[point.kind]}`))],
};
const frontColumn = {
  title: "front", left: true,
  value: (point) => ({ on: 2, unclear: 1, off: 0 }[point.standing] + point.sure * (point.standing === "off" ? -0.5 : 0.5) + (point.undominated ? 0.1 : 0)),
  cells: (point) => [element("span", { title: standing(point), class: point.standing === "on" ? "" : "dim" },
    element("span", { "aria-hidden": "true" }, point.standing === "unclear" && !point.undominated ? "? dominated" : `${SIGNS[point.standing]} ${confidence(point.sure)}`),
    element("span", { class: "unseen" }, standing(point)))],
};
const hackingColumn = {
  title: "hacking", value: (point) => point.hacking.length,
  cells: (point) => (point.hacking.length === 0 ? [element("span", { class: "dim" }, "–")]
    : [element("span", { class: "down", title: point.hacking.join("\n") }, `⚠ ${point.hacking.length}`, element("span", { class: "unseen" }, " suspected"))]),
};

function scoreColumn({ index, name }, levels, suffix = "") {
  return {
    title: name + suffix,
    value: (point) => estimate(point, index, levels)?.mean ?? null,
    cells: (point) => {
      const found = estimate(point, index, levels);
      if (found === null) return [element("span", { class: "dim" }, "–")];
      const half = halfWidth(found, index);
      return [element("span", { class: levels ? "" : tone(found) }, ofMeasure(found.mean, index, levels)),
        ...(half ? [element("span", { class: "pm" }, ` ${half}`)] : [])];
    },
  };
}

function columnSets() {
  const gains = rewardMeasures.map((measure) => scoreColumn(measure, false));
  const levels = rewardMeasures.map((measure) => scoreColumn(measure, true));
  const judges = judgeMeasures.map((measure) => scoreColumn(measure, basePoint === null));
  const all = [...(basePoint ? rewardMeasures.map((measure) => scoreColumn(measure, false, " gain")) : []),
    ...rewardMeasures.map((measure) => scoreColumn(measure, true, " level")),
    ...judgeMeasures.map((measure) => scoreColumn(measure, basePoint === null, " (judge)"))];
  const marked = data.points.some((point) => point.hacking.length > 0) ? [hackingColumn] : [];
  const sets = [];
  if (basePoint) sets.push(["gains", "Gains", [...gains, ...marked], "Gains over the base ± half the 95 % interval"]);
  sets.push(["levels", "Levels", levels, "Means ± half the 95 % interval"]);
  if (judges.length > 0) sets.push(["judges", "Judges", [...judges, ...marked], "Held-out judges: gains over the base ± half the 95 % interval"]);
  if (sets.length > 1) sets.push(["all", "All", [...all, ...marked], "Gains, levels and judges ± half the 95 % interval"]);
  return sets;
}

// - columns(): those after name and front; caption(): what they show
function createTable(host, { points, columns, caption, search = null }) {
  let sorting = null;
  let page = 0;
  let focused = null;
  let rows = [];

  function all() {
    return [nameColumn, frontColumn, ...columns()];
  }

  function ordered() {
    const words = search?.value.trim().toLowerCase() ?? "";
    const found = points().filter((point) => point.id.toLowerCase().includes(words));
    const column = all().find(({ title }) => title === sorting?.title);
    if (!column) return found;
    const sign = sorting.up ? 1 : -1;
    return found.map((point) => [column.value(point), point]).sort(([one], [other]) => {
      // What is not known comes last, whichever way.
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other);
    }).map(([, point]) => point);
  }

  function sortBy(title, left) {
    const up = sorting?.title === title ? !sorting.up : left && title === "point";
    sorting = { title, up };
    page = 0;
    announce(`sorted by ${title}, ${up ? "ascending" : "descending"}`);
    render();
    [...host.querySelectorAll("thead button")].find((button) => button.dataset.title === title)?.focus();
  }

  function header(column) {
    const sort = sorting?.title === column.title ? (sorting.up ? "ascending" : "descending") : "none";
    return element("th", { scope: "col", "aria-sort": sort, class: column.left ? "left" : null },
      element("button", { type: "button", "data-title": column.title, onclick: () => sortBy(column.title, column.left) }, column.title));
  }

  function render() {
    const list = ordered();
    const pages = Math.max(1, Math.ceil(list.length / PAGE));
    page = Math.min(page, pages - 1);
    const shown = list.slice(page * PAGE, (page + 1) * PAGE);
    const shownColumns = all();
    rows = shown.map((point) => element("tr", { tabindex: -1, "data-id": point.id },
      shownColumns.map((column, place) => (place === 0
        ? element("th", { scope: "row", class: "left" }, column.cells(point))
        : element("td", { class: column.left ? "left" : null }, column.cells(point))))));
    const table = element("table", { role: "grid" },
      element("caption", {}, caption()),
      element("thead", {}, element("tr", {}, shownColumns.map(header))),
      element("tbody", {}, rows));
    const box = element("div", { class: "scroll" }, table);
    host.replaceChildren(box, ...(pages > 1 ? [pager(list.length, pages)] : []));
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) take(row);
    });
    table.tBodies[0].addEventListener("pointerover", (event) => change({ hovered: event.target.closest("tr")?.dataset.id ?? null }));
    table.tBodies[0].addEventListener("pointerleave", () => change({ hovered: null }));
    table.tBodies[0].addEventListener("keydown", keys);
    table.tBodies[0].addEventListener("focusin", (event) => {
      const id = event.target.closest("tr")?.dataset.id;
      if (id) change({ hovered: id });
    });
    table.tBodies[0].addEventListener("focusout", () => change({ hovered: null }));
    highlight();
  }

  function pager(count, pages) {
    const turn = (by, text) => element("button", {
      type: "button", disabled: page + by < 0 || page + by >= pages,
      onclick: () => { page += by; render(); announce(`page ${page + 1} of ${pages}`); host.querySelector(`[data-turn="${by}"]:not(:disabled)`)?.focus(); },
      "data-turn": by,
    }, text);
    const first = page * PAGE + 1;
    return element("div", { class: "pages" }, turn(-1, "Previous"),
      `${first} to ${Math.min(count, first + PAGE - 1)} of ${count}`, turn(1, "Next"));
  }

  function take(row) {
    focused = row.dataset.id;
    select(focused);
  }

  function keys(event) {
    const place = rows.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + 10, PageUp: place - 10, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
      focused = row.dataset.id;
      roving();
      row.focus();
    } else if (event.key === "Enter" || event.key === " ") take(rows[place]);
    else return;
    event.preventDefault();
  }

  function roving() {
    const there = rows.find((row) => row.dataset.id === focused) ?? rows.find((row) => row.dataset.id === state.selected) ?? rows[0];
    rows.forEach((row) => row.setAttribute("tabindex", row === there ? 0 : -1));
  }

  function highlight() {
    rows.forEach((row) => row.setAttribute("aria-selected", String(row.dataset.id === state.selected)));
    roving();
  }

  search?.addEventListener("input", () => { page = 0; render(); });
  return { render, highlight };
}

// More points than these have a field to search.
const SEARCHED = 15;

function showTable() {
  const sets = columnSets();
  let chosen = sets[0][0];
  const set = () => sets.find(([name]) => name === chosen);
  const search = data.points.length > SEARCHED
    ? element("input", { type: "search", placeholder: "Find a point", "aria-label": "Find a point" }) : null;
  const table = createTable(byId("table"), { points: () => data.points, columns: () => set()[2], caption: () => set()[3], search });
  const columns = choice("Columns", sets.map(([name, text]) => [name, text]), () => chosen, (name) => {
    chosen = name;
    columns.show();
    table.render();
  });
  columns.show();
  byId("table-controls").append(...(sets.length > 1 ? [columns.element] : []), ...(search ? [search] : []));
  table.render();
  whenever(["selected"], table.highlight);
}

function showJudges() {
  const found = data.points.flatMap((point) => point.hacking.map((text) => element("li", {}, element("strong", {}, point.id), `: ${text}`)));
  byId("judges").hidden = judgeMeasures.length === 0 && found.length === 0;
  if (byId("judges").hidden) return;
  const host = byId("judge-panels");
  host.append(element("p", { class: "prose" },
    "Nothing was trained on these scores. Where a reward rises and a judge that watches it falls, both beyond noise, the reward may be hacked: look at the images."));
  host.append(found.length > 0 ? element("ul", { class: "findings" }, found)
    : element("p", { class: "prose" }, "No point is suspected of reward hacking."));
  if (judgeMeasures.length === 0) return;
  const box = element("div", { class: "panel" });
  host.append(box);
  const table = createTable(box, {
    points: () => data.points,
    columns: () => [...judgeMeasures.map((measure) => scoreColumn(measure, basePoint === null)), hackingColumn],
    caption: () => (basePoint ? "Gains over the base ± half the 95 % interval" : "Means ± half the 95 % interval"),
  });
  table.render();
  whenever(["selected"], table.highlight);
}
