// Data sets: points of the square from -1 to 1, and their classes.

import { generator, normal } from "./random.js";

/** For each data set, where a point of class 0 or 1 lies; `random` gives numbers from 0 to 1. */
const PLACES = {
  moons(random, label) {
    const angle = Math.PI * random();
    const side = label ? -1 : 1;
    const x = 0.5 * Math.cos(angle) - 0.25;
    return [side * x, side * (0.6 * Math.sin(angle) - 0.15)];
  },
  circle(random, label) {
    const angle = 2 * Math.PI * random();
    const radius = label ? 0.4 * Math.sqrt(random()) : 0.62 + 0.2 * random();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  quarters(random, label) {
    const x = 0.08 + 0.77 * random();
    const y = 0.08 + 0.77 * random();
    const side = random() < 0.5 ? 1 : -1;
    return [side * x, (label ? side : -side) * y];
  },
  spirals(random, label) {
    const along = Math.sqrt(random());
    const angle = 3 * Math.PI * along + (label ? Math.PI : 0);
    return [0.85 * along * Math.cos(angle), 0.85 * along * Math.sin(angle)];
  },
  clouds(random, label) {
    const side = label ? 1 : -1;
    return [0.4 * side + 0.14 * normal(random), 0.4 * side + 0.14 * normal(random)];
  },
};

/** Names of the data sets, and what the page calls them. */
export const DATA_SETS = {
  moons: "Two moons",
  circle: "Circle",
  quarters: "Exclusive or",
  spirals: "Spirals",
  clouds: "Two clouds",
};

/** Points and their classes, half of each; `noise` is the standard deviation of what is added. */
function draw(name, count, noise, random) {
  const points = new Float32Array(2 * count);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const inside = (value) => Math.min(Math.max(value, -0.99), 0.99);
  labels.forEach((label, i) => {
    const place = PLACES[name](random, label);
    points.set(place.map((value) => inside(value + noise * normal(random))), 2 * i);
  });
  return { points, labels };
}

/** Points to learn from, and as many others to test with. */
export function drawSets(name, count, noise, seed) {
  const random = generator(seed);
  return {
    training: draw(name, count, noise, random),
    test: draw(name, count, noise, random),
  };
}
