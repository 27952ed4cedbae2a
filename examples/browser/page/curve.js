// The loss over the steps.

import { sharp } from "./canvas.js";
import { colors } from "./colors.js";

const MARGIN = { left: 34, right: 10, top: 8, bottom: 20 };
const GUESSING = Math.log(2);

function line(context, entries, field, place, color, dash) {
  context.beginPath();
  context.setLineDash(dash);
  context.strokeStyle = color;
  context.lineWidth = 1.8;
  for (const entry of entries) context.lineTo(...place(entry.step, entry[field]));
  context.stroke();
  context.setLineDash([]);
}

/** 1, 2 or 5 times a power of ten, such that about `count` of them make `top`. */
function spacing(top, count) {
  const rough = top / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function grid(context, place, lastStep, top) {
  const { text, grid: color } = colors();
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = text;
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let loss = 0; loss <= top; loss += spacing(top, 4)) {
    const [x, y] = place(0, loss);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(place(lastStep, 0)[0], y);
    context.stroke();
    context.fillText(loss.toFixed(1), x - 6, y);
  }
  context.textBaseline = "top";
  const between = spacing(lastStep, 4);
  for (let step = 0; step <= lastStep; step += between) {
    const [x, y] = place(step, 0);
    context.textAlign = step === 0 ? "left" : step + between > lastStep ? "right" : "center";
    context.fillText(step.toLocaleString("en"), Math.min(x, place(lastStep, 0)[0]), y + 6);
  }
}

/** Draw the losses on training and test points, and what guessing costs. */
export function paintCurve(canvas, entries) {
  const { context, width, height } = sharp(canvas);
  const last = entries.at(-1)?.step ?? 0;
  const lastStep = Math.max(last, 100);
  const top = Math.max(0.8, ...entries.map((entry) => Math.min(entry.training, 3)));
  const place = (step, loss) => [
    MARGIN.left + (width - MARGIN.left - MARGIN.right) * step / lastStep,
    height - MARGIN.bottom - (height - MARGIN.top - MARGIN.bottom) * Math.min(loss / top, 1),
  ];
  const { training, test, text } = colors();
  grid(context, place, lastStep, top);
  const guess = [{ step: 0, loss: GUESSING }, { step: lastStep, loss: GUESSING }];
  line(context, guess, "loss", place, text, [2, 3]);
  line(context, entries, "test", place, test, [6, 3]);
  line(context, entries, "training", place, training, []);
}
