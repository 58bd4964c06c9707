// Names beside points, placed so that they do not cover each other: each takes the best place left, then they take turns.

const DIRECTIONS = [
  [1, 0, 0], [1, -0.6, 0.6], [1, 0.6, 0.8], [1, -1, 1], [0, -1, 1.2], [1, 1, 1.4], [-1, 0, 1.6], [-1, -0.6, 1.8],
  [0, 1, 2], [-1, 0.6, 2], [-1, -1, 2.2], [-1, 1, 2.4], [0.5, -1, 2], [-0.5, -1, 2.2], [0.5, 1, 2.4], [-0.5, 1, 2.6],
];
const REACHES = [6, 12, 22, 34];
// Covering another name is worse than anything else.
const CLASH = 40;

const ruler = document.createElement("canvas").getContext("2d");

function textWidth(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

function overlap(one, other) {
  const x = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const y = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return x > 0 && y > 0 ? x * y : 0;
}

// Returns a box for each label {text, x, y, radius}, those that come first preferred; null where there is no room.
// Obstacles are boxes with the cost of covering a unit of their area.
function placeLabels(labels, frame, obstacles, font, size) {
  const choices = labels.map((label) => {
    const width = textWidth(label.text, font);
    const found = [];
    for (const reach of REACHES) {
      const gap = label.radius + reach;
      for (const [dx, dy, taste] of DIRECTIONS) {
        const [x, y] = [label.x + dx * (width / 2 + gap), label.y + dy * (size / 2 + gap)];
        const box = { left: x - width / 2, right: x + width / 2, top: y - size / 2, bottom: y + size / 2 };
        if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom) continue;
        const covered = obstacles.reduce((sum, obstacle) => sum + obstacle.cost * overlap(box, obstacle), 0);
        found.push({ box, cost: covered + taste + 1.5 * (reach - REACHES[0]) });
      }
    }
    return found;
  });
  const places = labels.map(() => null);
  for (let turn = 0; turn < 5; turn += 1) {
    labels.forEach((_, i) => {
      places[i] = null;
      let best = Infinity;
      for (const { box, cost } of choices[i]) {
        if (cost >= best) continue;
        const clash = places.reduce((sum, other) => sum + (other === null ? 0 : overlap(box, other)), 0);
        if (cost + CLASH * clash < best) {
          best = cost + CLASH * clash;
          places[i] = box;
        }
      }
    });
  }
  for (let i = labels.length - 1; i >= 0; i -= 1) {
    const covers = places.some((other, j) => j !== i && other !== null && places[i] !== null && overlap(places[i], other) > 0.5);
    if (covers) places[i] = null;
  }
  return places;
}
