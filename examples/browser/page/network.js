// A network: a WebAssembly module and its memory, which this page owns.

import { generator } from "./random.js";

const ALIGNMENT = 64;
const PAGE = 65536;

export class Network {
  /**
   * @param functions what the module exports
   * @param memory what it imports
   * @param description the network's entry of networks.json
   * @param module which of its modules this is
   * @param sizes `batch`, `points` and `side`
   */
  constructor(functions, memory, description, module, { batch, points, side }) {
    Object.assign(this, { functions, memory, description, module, batch, points, side });
    this.at = this.place();
    const pixels = side ** 2;
    this.rows = this.pointsAt("batch", batch);
    this.sets = {
      training: this.pointsAt("training", points),
      test: this.pointsAt("test", points),
    };
    this.surface = this.floats(this.at.surface, pixels);
    this.features = Array.from({ length: description.layers }, (_, layer) =>
      Array.from({ length: description.units }, (_, unit) =>
        this.floats(this.at.features + 4 * pixels * (layer * description.units + unit), pixels)));
    this.reset(0);
  }

  /** Addresses in the memory, behind what the module takes for itself; the memory grows. */
  place() {
    let top = this.functions.__heap_base.value;
    const take = (bytes) => {
      const address = Math.ceil(top / ALIGNMENT) * ALIGNMENT;
      top = address + bytes;
      return address;
    };
    const { state, layers, units } = this.description;
    const pointsOf = (count) => ({ points: take(8 * count), labels: take(4 * count) });
    const at = {
      state: take(state),
      trial: take(state),
      workspace: take(this.module.workspace),
      batch: pointsOf(this.batch),
      training: pointsOf(this.points),
      test: pointsOf(this.points),
      rate: take(4),
      loss: take(4),
      right: take(4),
      surface: take(4 * this.side ** 2),
      features: take(4 * this.side ** 2 * layers * units),
    };
    const missing = top - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return at;
  }

  floats(address, count) {
    return new Float32Array(this.memory.buffer, address, count);
  }

  pointsAt(name, count) {
    const { points, labels } = this.at[name];
    return {
      points: this.floats(points, 2 * count),
      labels: new Int32Array(this.memory.buffer, labels, count),
    };
  }

  /** Throw what a status means, unless it is 0. */
  check(status) {
    if (status === 0) return;
    const bytes = new Uint8Array(this.memory.buffer, this.functions.net_message(status));
    throw new Error(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
  }

  /**
   * Begin anew: with the weights of the build for seed 0, else with others. The module refuses a
   * number of the interface that is not its own: then networks.json is of another build.
   */
  reset(seed) {
    const number = BigInt.asIntN(64, BigInt(this.module.interface));
    this.check(this.functions.net_initialize(this.at.state, number));
    if (seed === 0) return;
    const random = generator(seed);
    for (let layer = 1; layer <= this.description.layers + 1; layer++) {
      const weights = this.param(`dense${layer}.w`);
      const [inputs, outputs] = this.description.params[`dense${layer}.w`].shape;
      const limit = Math.sqrt(6 / (inputs + outputs)); // as Glorot and Bengio scale them
      weights.forEach((_, i) => { weights[i] = limit * (2 * random() - 1); });
    }
  }

  /** A parameter, by name; it can be read and written. */
  param(name, state = this.at.state) {
    const { offset, shape } = this.description.params[name];
    return this.floats(state + offset, shape.reduce((count, length) => count * length, 1));
  }

  /** Copy the data into the memory. */
  take(sets) {
    for (const [name, { points, labels }] of Object.entries(sets)) {
      this.sets[name].points.set(points);
      this.sets[name].labels.set(labels);
    }
  }

  /**
   * Fill the batch with these training points, over and over: the mean over the rows is then that
   * over the points.
   */
  fill(chosen) {
    const { points, labels } = this.sets.training;
    for (let row = 0; row < this.batch; row++) {
      const i = chosen[row % chosen.length];
      this.rows.points[2 * row] = points[2 * i];
      this.rows.points[2 * row + 1] = points[2 * i + 1];
      this.rows.labels[row] = labels[i];
    }
  }

  /** One step of "adam" or "sgd" on the batch. */
  learn(optimizer, rate, state = this.at.state) {
    const { workspace, batch, loss } = this.at;
    this.floats(this.at.rate, 1)[0] = rate;
    this.check(this.functions[`net_learn_${optimizer}`](
      state, workspace, batch.points, batch.labels, this.at.rate, loss));
  }

  /** The mean loss on the "training" or "test" points, and the share of them that is right. */
  judge(name) {
    const { state, workspace, loss, right } = this.at;
    const { points, labels } = this.at[name];
    this.check(this.functions.net_judge(state, workspace, points, labels, loss, right));
    return { loss: this.floats(loss, 1)[0], right: this.floats(right, 1)[0] };
  }

  /** Fill `surface` and `features`. */
  look() {
    const { state, workspace, surface, features } = this.at;
    this.check(this.functions.net_look(state, workspace, surface, features));
  }

  /** For each layer its weights, one row for each input: `[inputs][outputs]` in one array. */
  weights() {
    return this.layerWeights(this.at.state);
  }

  /**
   * The gradient of the batch's loss by the weights, layer by layer: a copy of the state takes a
   * step of gradient descent with rate 1, and what it goes is the gradient.
   */
  gradients() {
    const { state, trial } = this.at;
    new Uint8Array(this.memory.buffer).copyWithin(trial, state, state + this.description.state);
    this.learn("sgd", 1, trial);
    const after = this.layerWeights(trial);
    return this.weights().map((before, layer) =>
      before.map((weight, i) => weight - after[layer][i]));
  }

  layerWeights(state) {
    return Array.from({ length: this.description.layers + 1 }, (_, layer) =>
      this.param(`dense${layer + 1}.w`, state));
  }

  biases(layer) {
    return this.param(`dense${layer}.b`);
  }
}
