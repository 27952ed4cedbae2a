// The square with what lies over the surface: the points, and where both classes are as likely.

import { sharp } from "./canvas.js";
import { colors } from "./colors.js";

/** A disk for class 0, a square for class 1. */
function outline(context, x, y, label, radius) {
  context.beginPath();
  if (label) context.rect(x - 0.88 * radius, y - 0.88 * radius, 1.76 * radius, 1.76 * radius);
  else context.arc(x, y, radius, 0, 2 * Math.PI);
}

/** Filled if it is learned from, hollow if it tests. */
function mark(context, label, hollow) {
  const { points, edge } = colors();
  context.lineWidth = 1.3;
  context.strokeStyle = hollow ? points[label] : edge;
  context.fillStyle = hollow ? edge : points[label];
  context.fill();
  context.stroke();
}

/** Draw points with their classes. */
function paintEach(context, width, height, { points, labels }, radius, hollow) {
  labels.forEach((label, i) => {
    const [x, y] = [width * (1 + points[2 * i]) / 2, height * (1 - points[2 * i + 1]) / 2];
    outline(context, x, y, label, radius);
    mark(context, label, hollow);
  });
}

/** Draw the training points of a data set, and the test points where they are wanted. */
export function paintPoints(canvas, { training, test }, radius) {
  const { context, width, height } = sharp(canvas);
  if (test) paintEach(context, width, height, test, radius, true);
  paintEach(context, width, height, training, radius, false);
}

/** Draw the line on which a map has the value `level`: in each cell of four pixels' middles. */
export function paintBoundary(canvas, values, level) {
  const { context, width } = sharp(canvas);
  const side = Math.sqrt(values.length);
  const scale = width / side;
  context.beginPath();
  for (let row = 0; row + 1 < side; row++) {
    for (let column = 0; column + 1 < side; column++) {
      const crossings = cellCrossings(values, side, row, column, level);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        context.moveTo(...crossings[i].map((place) => (place + 0.5) * scale));
        context.lineTo(...crossings[i + 1].map((place) => (place + 0.5) * scale));
      }
    }
  }
  context.lineWidth = 1.6;
  context.strokeStyle = colors().line;
  context.stroke();
}

/** Where the edges of a cell have the level, in pixels: around the cell, none, two or four. */
function cellCrossings(values, side, row, column, level) {
  const at = side * row + column;
  const corners = [values[at], values[at + 1], values[at + side + 1], values[at + side]];
  const places = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const crossings = [];
  for (let i = 0; i < 4; i++) {
    const j = (i + 1) % 4;
    if ((corners[i] > level) === (corners[j] > level)) continue;
    const part = (level - corners[i]) / (corners[j] - corners[i]);
    const between = (axis) => places[i][axis] + part * (places[j][axis] - places[i][axis]);
    crossings.push([column + between(0), row + between(1)]);
  }
  return crossings;
}
