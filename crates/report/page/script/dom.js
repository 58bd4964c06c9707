// Elements. What comes from outside becomes text nodes and attribute values, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function drawing(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

// A row of buttons of which one is pressed. Returns the element and a function that shows which one that is.
function choice(label, options, chosen, choose) {
  const buttons = options.map(([value, text]) =>
    element("button", { type: "button", onclick: () => choose(value) }, text));
  const show = () => buttons.forEach((button, place) =>
    button.setAttribute("aria-pressed", String(options[place][0] === chosen())));
  show();
  return { element: element("span", { class: "group", role: "group", "aria-label": label }, buttons), show };
}

function labelled(text, control) {
  return element("label", {}, text, control);
}

// A list to choose from. Options are [value, text].
function picker(options, chosen, choose) {
  const select = element("select", { onchange: () => choose(select.value) },
    options.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen;
  return select;
}

// Text in a box with a button that copies it.
function code(text, label) {
  const button = element("button", { type: "button", "aria-label": `copy ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text)) ? "Copied" : "Press Ctrl+C";
    announce(button.textContent === "Copied" ? `${label} copied` : `${label} is selected: copy it by hand`);
    setTimeout(() => { button.textContent = "Copy"; }, 1800);
  });
  const pre = element("pre", { tabindex: 0, "aria-label": label, role: "region" }, text);
  return element("div", { class: "code" }, pre, button);

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // A page from a file may not reach the clipboard: the text is selected instead.
      const range = document.createRange();
      range.selectNodeContents(pre);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      return document.execCommand("copy");
    }
  }
}
