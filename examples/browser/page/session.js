// A session: a network, the data it learns from, and what came of it so far.

import { Batches, History } from "./training.js";

export class Session {
  /**
   * @param network a `Network`
   * @param sets `training` and `test` points
   * @param seed that of the initial weights
   */
  constructor(network, sets, seed) {
    this.network = network;
    this.sets = sets;
    this.seed = seed;
    network.take(sets);
    this.restart();
  }

  /** Forget what was learned. */
  restart() {
    this.network.reset(this.seed);
    this.network.fill(Uint32Array.from({ length: this.network.batch }, (_, i) => i));
    this.batches = new Batches(this.network.points, 1);
    this.history = new History();
    this.steps = 0;
    this.learned = 0;
    this.judge();
  }

  /** Passes over the training points. */
  get passes() {
    return this.learned / this.network.points;
  }

  /** One step; `settings` has the `batch` size, the `optimizer` and its `rate`. */
  step({ batch, optimizer, rate }) {
    this.network.fill(this.batches.next(batch));
    this.network.learn(optimizer, rate);
    this.steps += 1;
    this.learned += batch;
  }

  /** Steps while `goesOn(steps made so far)`; gives how many. */
  train(settings, goesOn) {
    let count = 0;
    for (; goesOn(count); count++) this.step(settings);
    return count;
  }

  /** Bring the scores up to date, and the history with them; throws if nothing is left to train. */
  judge() {
    this.scores = { training: this.network.judge("training"), test: this.network.judge("test") };
    const { training, test } = this.scores;
    if (!Number.isFinite(training.loss)) {
      throw new Error(
        "The loss is no number any more: the learning rate was too high. Start again.");
    }
    this.history.add({ step: this.steps, training: training.loss, test: test.loss });
  }
}
