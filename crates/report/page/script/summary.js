// The head of the page: what was trained, and what a reader must know.

const SECTIONS = [
  ["summary", "Summary"], ["front", "Front"], ["images", "Images"], ["soups", "Mix"], ["curves", "Training"],
  ["judges", "Judges"], ["rewards", "Rewards"], ["use", "Use"], ["receipt", "Receipt"],
];

function showSummary() {
  const [first, ...rest] = data.about;
  byId("about").replaceChildren(element("p", {}, first), element("p", {}, rest.join(" ")));
  byId("remarks").replaceChildren(
    ...(data.tags.length > 0 ? [element("p", { class: "tags" }, data.tags.map((tag) => element("span", {}, tag)))] : []),
    ...data.notes.map((text) => element("blockquote", {}, text)));
  byId("advice").replaceChildren(...advice(), ...groups());
  byId("warnings").replaceChildren(...data.warnings.map((text) => element("p", { class: "warning", role: "note" }, text)));
}

function advice() {
  if (data.advice.length === 0) return [];
  const cards = data.advice.map(({ title, point, sentence }) => {
    const { kind, standing: place } = pointById.get(point);
    return element("li", {}, element("div", { class: "panel" }, element("h3", {}, title),
      element("button", { type: "button", onclick: () => show(point) }, element("span", { class: "key" }, icon(kind, place), point)),
      element("p", {}, sentence)));
  });
  return [element("h2", {}, "Worth choosing"), element("ul", { class: "cards" }, cards)];

  function show(point) {
    select(point);
    byId("front").scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
  }
}

function groups() {
  if (data.groups.length === 0) return [];
  return [element("p", { class: "prose groups" }, "Not told apart in any reward: ",
    data.groups.map((group) => group.join(", ")).join("; "), ".")];
}

function showSections() {
  byId("sections").append(...SECTIONS.filter(([id]) => byId(id)?.hidden === false).map(([id, name]) => element("a", { href: `#${id}` }, name)));
}
