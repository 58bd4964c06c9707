// The head of the page: what was trained, and what a reader must know.

const SECTIONS = [
  ["summary", "Summary"], ["front", "Front"], ["images", "Images"], ["soups", "Mix"], ["curves", "Training"],
  ["judges", "Judges"], ["use", "Use"], ["receipt", "Receipt"],
];

function showSummary() {
  byId("about").replaceChildren(...data.about.map((text) => element("p", {}, text)));
  byId("warnings").replaceChildren(...data.warnings.map((text) => element("p", { class: "warning", role: "note" }, text)));
}

function showSections() {
  byId("sections").append(...SECTIONS.filter(([id]) => !byId(id).hidden).map(([id, name]) => element("a", { href: `#${id}` }, name)));
}
