// Why: reasons that go with the next answer.

const TAG_KEYS = ["q", "w", "e", "r", "y", "i", "o", "p", "f", "h", "l", "z", "x", "c", "v", "n", "m"];

function showTags() {
  const tags = state.shown?.tags ?? [];
  byId("tags").hidden = tags.length === 0 || !current();
  const focused = document.activeElement?.dataset?.tag;
  byId("tags").replaceChildren("Why? ", ...tags.map((tag, index) => element("button", {
    type: "button", "data-tag": tag, "aria-pressed": String(state.tags.has(tag)), onclick: () => toggleTag(tag),
  }, tag, TAG_KEYS[index] ? element("kbd", { "aria-hidden": "true", class: "hint" }, TAG_KEYS[index].toUpperCase()) : null)));
  if (focused) [...byId("tags").querySelectorAll("button")].find((button) => button.dataset.tag === focused)?.focus();
}

function toggleTag(tag) {
  if (!state.tags.delete(tag)) state.tags.add(tag);
  announce(`${tag}, ${state.tags.has(tag) ? "chosen" : "not chosen"}`);
  changed();
}
