// Elements. What comes from outside becomes text nodes and attribute values, never markup.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

// Says something to screen readers.
function announce(text) {
  byId("live").textContent = text;
}

function key(text) {
  return element("kbd", { "aria-hidden": "true" }, text);
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}
