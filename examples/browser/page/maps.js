// Maps: values at the pixels of the square, drawn as colours.

import { palette } from "./colors.js";

/** What an activation gives for an input of zero, if not zero. */
const MIDDLE = { sigmoid: 0.5 };

/** `{ middle, reach }`: the values from `middle - reach` to `middle + reach` get all colours. */
export function rangeOf(values, activation) {
  const middle = MIDDLE[activation] ?? 0;
  let reach = 0;
  for (const value of values) reach = Math.max(reach, Math.abs(value - middle));
  return { middle, reach };
}

/** The range of chances. */
export const CHANCES = { middle: 0.5, reach: 0.5 };

/** Draw square maps on a canvas of as many pixels; CSS makes them larger. */
export function paintMap(canvas, values, { middle, reach }) {
  const side = Math.sqrt(values.length);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const image = new ImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  const of = palette();
  const scale = reach > 0 ? 127.5 / reach : 0;
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = of[Math.min(Math.max(Math.round((values[i] - middle) * scale + 127.5), 0), 255)];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The maps of the two inputs: x grows to the right, y to the top. */
export function inputMaps(side) {
  const place = (i) => (i + 0.5) / side * 2 - 1;
  const map = (of) => Float32Array.from({ length: side ** 2 }, (_, i) => of(i));
  return [map((i) => place(i % side)), map((i) => -place(Math.floor(i / side)))];
}
