// Images: a sheet for each point, of which a cell is drawn into a canvas.

// Up to this side images are shown pixel by pixel.
const PIXELS = 64;

const decoded = new Map();

function sheetImage(place) {
  if (!decoded.has(place)) {
    const image = new Image();
    image.src = data.sheets[place].src;
    decoded.set(place, image.decode().then(() => image));
  }
  return decoded.get(place);
}

function blank(sheet, label) {
  const [width, height] = sheet.cell;
  const kind = Math.max(width, height) <= PIXELS ? "pixels" : "smooth";
  return element("canvas", { width, height, class: kind, role: "img", "aria-label": label });
}

async function paint(canvas, place, prompt, noise) {
  const { cell: [width, height], columns, rows } = data.sheets[place];
  const image = await sheetImage(place);
  const [column, row] = [Math.min(prompt, columns - 1), Math.min(noise, rows - 1)];
  canvas.getContext("2d", { willReadFrequently: true })
    .drawImage(image, column * width, row * height, width, height, 0, 0, width, height);
}

function promptText(prompt) {
  return data.prompts[prompt] ?? `prompt ${prompt + 1}`;
}

// One image of a sheet; `by` names what drew it.
function shot(place, prompt, noise, by) {
  const canvas = blank(data.sheets[place], `${promptText(prompt)}: image ${noise + 1}, by ${by}`);
  canvas.painted = paint(canvas, place, prompt, noise);
  return canvas;
}

// The difference of two images, `times` as strong; tells the root mean square of all differences, 0 to 255.
function difference(one, other, prompt, noise, times) {
  const canvas = blank(data.sheets[one], "");
  canvas.painted = (async () => {
    const [width, height] = data.sheets[one].cell;
    const pixels = [];
    for (const place of [one, other]) {
      const copy = blank(data.sheets[one], "");
      await paint(copy, place, prompt, noise);
      pixels.push(copy.getContext("2d").getImageData(0, 0, width, height));
    }
    const [left, right] = pixels;
    let squares = 0;
    for (let i = 0; i < left.data.length; i += 1) {
      if (i % 4 === 3) continue;
      const apart = Math.abs(left.data[i] - right.data[i]);
      squares += apart * apart;
      left.data[i] = Math.min(255, apart * times);
    }
    canvas.getContext("2d").putImageData(left, 0, 0);
    const distance = Math.sqrt(squares / (left.data.length * 0.75));
    canvas.setAttribute("aria-label", `difference in image ${noise + 1} of ${promptText(prompt)}: ${distance.toFixed(1)} of 255`);
    return distance;
  })();
  return canvas;
}

function areAlike(one, other) {
  const [a, b] = [data.sheets[one].cell, data.sheets[other].cell];
  return a[0] === b[0] && a[1] === b[1];
}
