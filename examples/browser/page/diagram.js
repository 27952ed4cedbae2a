// The network as a drawing: inputs, hidden units with what they see, the answer, and the lines.

import { sharp } from "./canvas.js";
import { colors } from "./colors.js";
import { CHANCES, inputMaps, paintMap, rangeOf } from "./maps.js";

const INPUTS = { middle: 0, reach: 1 };
const WIDEST = 6;
const ALL_LINES = 24; // pixels that the lines to a unit are wide together, at most

export class Diagram {
  /**
   * @param root the element to fill
   * @param inspect called with `{ layer, unit }` that the reader points at, or nothing
   */
  constructor(root, inspect) {
    this.root = root;
    this.inspect = inspect;
    this.lines = document.createElement("canvas");
    this.lines.className = "lines";
    this.lines.setAttribute("aria-hidden", "true");
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.inspect(undefined);
    });
  }

  /** Show another network. */
  show(network) {
    const { layers, units, activation } = network.description;
    this.network = network;
    this.activation = activation;
    const hidden = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: units }, (_, unit) => this.unit(layer, unit)));
    const inputs = ["x₁", "x₂"].map((name) => still(`Input ${name}`, name));
    this.columns = [inputs, ...hidden, [still("The answer", "")]];
    const titles = ["Inputs", ...hidden.map((_, layer) => `Layer ${layer + 1}`), "Answer"];
    this.root.dataset.units = units;
    const columns = this.columns.map((column, i) => titled(titles[i], column));
    this.root.replaceChildren(this.lines, ...columns);
    this.inputs = inputMaps(network.side);
  }

  unit(layer, unit) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unit";
    button.append(document.createElement("canvas"));
    button.setAttribute("aria-label", `Layer ${layer + 1}, unit ${unit + 1}: show it large`);
    const place = { layer, unit };
    button.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") this.inspect(place);
    });
    button.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.inspect(undefined);
    });
    button.addEventListener("focus", () => this.inspect(place));
    button.addEventListener("blur", () => this.inspect(undefined));
    button.addEventListener("click", () => this.inspect(place));
    return button;
  }

  /**
   * Bring the drawing up to date.
   *
   * @param values for each layer the weights, or the gradient, that the lines show
   * @param scale what a line of full width is worth
   * @param inspected the unit that the reader points at, if any
   */
  draw(values, scale, inspected) {
    this.inputs.forEach((map, i) => paintMap(canvasOf(this.columns[0][i]), map, INPUTS));
    this.network.features.forEach((layer, i) => layer.forEach((map, unit) =>
      paintMap(canvasOf(this.columns[i + 1][unit]), map, rangeOf(map, this.activation))));
    paintMap(canvasOf(this.columns.at(-1)[0]), this.network.surface, CHANCES);
    this.columns.slice(1, -1).forEach((column, layer) => column.forEach((button, unit) =>
      button.classList.toggle("inspected",
        layer === inspected?.layer && unit === inspected?.unit)));
    this.drawLines(values, scale, inspected);
  }

  drawLines(values, scale, inspected) {
    const { context } = sharp(this.lines);
    const origin = this.lines.getBoundingClientRect();
    const boxes = this.columns.map((column) =>
      column.map((element) => canvasOf(element).getBoundingClientRect()));
    values.forEach((weights, layer) => {
      const widest = Math.min(WIDEST, ALL_LINES / boxes[layer].length);
      const outputs = boxes[layer + 1].length;
      boxes[layer].forEach((from, i) => boxes[layer + 1].forEach((to, j) => {
        const dimmed = inspected && (layer !== inspected.layer || j !== inspected.unit);
        const value = weights[i * outputs + j] / scale;
        drawLine(context, lineBetween(from, to, origin), value, { widest, dimmed });
      }));
    });
  }
}

const canvasOf = (element) => element.querySelector("canvas");

/** The elements of a column with a title over them. */
function titled(title, elements) {
  const column = document.createElement("div");
  column.className = "column";
  const heading = Object.assign(document.createElement("span"), { textContent: title });
  const units = document.createElement("div");
  units.append(...elements);
  column.append(heading, units);
  return column;
}

/** A map that nothing happens to when it is pointed at. */
function still(name, caption) {
  const figure = document.createElement("figure");
  figure.className = "unit";
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", name);
  figure.append(document.createElement("canvas"));
  if (caption) {
    figure.append(Object.assign(document.createElement("figcaption"), { textContent: caption }));
  }
  return figure;
}

/** From the middle of one map's right edge to that of another's left edge. */
function lineBetween(from, to, origin) {
  return [
    [from.right - origin.left, (from.top + from.bottom) / 2 - origin.top],
    [to.left - origin.left, (to.top + to.bottom) / 2 - origin.top],
  ];
}

/** A line whose width is the value's size and whose colour is its sign. */
function drawLine(context, [[x0, y0], [x1, y1]], value, { widest, dimmed }) {
  const size = Math.min(Math.abs(value), 1);
  const middle = (x0 + x1) / 2;
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(middle, y0, middle, y1, x1, y1);
  context.lineWidth = 0.4 + widest * size;
  context.globalAlpha = (0.2 + 0.7 * Math.sqrt(size)) * (dimmed ? 0.12 : 1);
  const { negative, positive } = colors();
  context.strokeStyle = `rgb(${value < 0 ? negative : positive})`;
  context.stroke();
  context.globalAlpha = 1;
}
