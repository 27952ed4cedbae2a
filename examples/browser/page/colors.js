// Colours: orange for class 0 and negative, blue for class 1 and positive, neutral between.
// Surfaces are paler than lines and points, which are drawn over them.

const LIGHT = {
  low: [236, 148, 72], middle: [248, 248, 246], high: [88, 146, 226],
  negative: [214, 106, 18], positive: [32, 98, 196],
  points: ["#9a3f00", "#0b3a86"], edge: "#ffffff", text: "#4d535c", grid: "#dfe2e6",
  training: "#20242b", test: "#0b7a5c", line: "#20242b",
};
const DARK = {
  low: [176, 92, 22], middle: [30, 33, 39], high: [38, 98, 186],
  negative: [232, 138, 54], positive: [84, 154, 248],
  points: ["#ffcf9f", "#c3ddff"], edge: "#14161a", text: "#a9b1bd", grid: "#343a43",
  training: "#f1f3f6", test: "#3fc79a", line: "#f1f3f6",
};

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** The colours of the scheme that the reader prefers. */
export const colors = () => (darkScheme.matches ? DARK : LIGHT);

/** Call when the reader changes the scheme. */
export const onSchemeChange = (act) => darkScheme.addEventListener("change", act);

const blend = (from, to, part) => from.map((channel, i) => channel + (to[i] - channel) * part);

/** The colour of a value from -1 to 1. */
export function shade(value, { low, middle, high } = colors()) {
  return blend(middle, value < 0 ? low : high, Math.min(Math.abs(value), 1));
}

const palettes = new Map();

/** 256 colours, from that of -1 to that of 1, each as the four bytes of a pixel. */
export function palette() {
  const scheme = colors();
  if (!palettes.has(scheme)) {
    const bytes = new Uint8ClampedArray(4 * 256);
    for (let i = 0; i < 256; i++) bytes.set([...shade(i / 127.5 - 1, scheme), 255], 4 * i);
    palettes.set(scheme, new Uint32Array(bytes.buffer));
  }
  return palettes.get(scheme);
}
