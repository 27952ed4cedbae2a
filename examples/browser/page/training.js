// Training: which points a step learns from, what came of it, and how fast it goes.

import { generator, shuffled } from "./random.js";

const KEPT = 400;
const WINDOW = 1000;

/** Gives batches: each pass takes all points once, in an order of its own. */
export class Batches {
  constructor(count, seed) {
    this.count = count;
    this.random = generator(seed);
    this.order = [];
    this.taken = count;
    this.passes = 0;
  }

  next(size) {
    if (this.taken + size > this.count) {
      this.order = shuffled(this.count, this.random);
      this.taken = 0;
    }
    this.taken += size;
    return this.order.subarray(this.taken - size, this.taken);
  }
}

/** The losses from the first step on; every second one is dropped whenever there are many. */
export class History {
  constructor() {
    this.entries = [];
    this.every = 1;
  }

  /** Add an entry `{ step, training, test }` unless the last one is too near. */
  add(entry) {
    const last = this.entries.at(-1);
    if (last && entry.step - last.step < this.every) return;
    this.entries.push(entry);
    if (this.entries.length < KEPT) return;
    this.every = Math.max(1, 2 * Math.round(entry.step / KEPT));
    this.entries = this.entries.filter((_, i) => i % 2 === 0);
  }
}

/** Steps a second over the last second: of computing alone, and with everything else. */
export class Speed {
  constructor() {
    this.frames = [];
  }

  /** A frame began at `time` and took `busy` milliseconds for `steps` steps. */
  add(time, steps, busy) {
    this.frames.push({ time, steps, busy });
    while (this.frames[0].time < time - WINDOW) this.frames.shift();
  }

  /** `{ computing, all }`, each undefined as long as the clock is too coarse to say. */
  rates() {
    const sum = (field) => this.frames.reduce((total, frame) => total + frame[field], 0);
    const steps = sum("steps");
    const busy = sum("busy");
    const first = this.frames[0];
    const span = first ? this.frames.at(-1).time - first.time : 0;
    return {
      computing: busy > 2 ? 1000 * steps / busy : undefined,
      all: span > 200 ? 1000 * (steps - first.steps) / span : undefined,
    };
  }
}
