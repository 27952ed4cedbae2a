// What the page shows of a session.

import { paintCurve } from "./curve.js";
import { Diagram } from "./diagram.js";
import { formulaOf } from "./formula.js";
import { CHANCES, paintMap, rangeOf } from "./maps.js";
import { paintBoundary, paintPoints } from "./plot.js";

const FULL_WEIGHT = 3;
const RADIUS = 3.4;
const element = (id) => document.getElementById(id);
const whole = (value) => Math.round(value).toLocaleString("en");
const short = (value) => (value < 1000 ? value.toFixed(4) : value.toPrecision(3));
const percent = (value) => `${(100 * value).toFixed(1)} %`;

export class View {
  /** @param changed called when something else than before is to be drawn */
  constructor(changed) {
    this.inspected = undefined;
    this.diagram = new Diagram(element("diagram"), (place) => {
      this.inspected = place;
      changed();
    });
  }

  /** Show another network. */
  show(network) {
    this.inspected = undefined;
    this.diagram.show(network);
  }

  /** Draw the points; they stay until others are drawn. */
  drawPoints(sets, withTest) {
    paintPoints(element("points"), withTest ? sets : { training: sets.training }, RADIUS);
  }

  /** Draw all that changes from step to step. */
  draw(session, settings, rates) {
    session.network.look();
    this.drawNetwork(session.network, settings.lines);
    this.drawAnswer(session.network);
    paintCurve(element("curve"), session.history.entries);
    showNumbers(session, rates);
  }

  drawNetwork(network, lines) {
    const values = lines === "gradient" ? network.gradients() : network.weights();
    values.push(toAnswer(values.pop()));
    const largest = Math.max(...values.map((layer) => Math.max(...layer.map(Math.abs))));
    const scale = lines === "gradient" ? largest || 1 : FULL_WEIGHT;
    this.diagram.draw(values, scale, this.inspected);
    element("lines-hint").textContent = lines === "gradient"
      ? `Blue: the loss grows with the weight. The widest line is ${largest.toPrecision(2)}.`
      : `Blue lines are positive, orange ones negative; the widest are ${FULL_WEIGHT} and more.`;
  }

  /** The large square: the answer, or the unit that the reader points at. */
  drawAnswer(network) {
    const { inspected } = this;
    const values = inspected ? network.features[inspected.layer][inspected.unit] : network.surface;
    const range = inspected ? rangeOf(values, network.description.activation) : CHANCES;
    paintMap(element("surface"), values, range);
    paintBoundary(element("boundary"), values, range.middle);
    const title = inspected
      ? `What unit ${inspected.unit + 1} of layer ${inspected.layer + 1} gives`
      : "What the network answers";
    element("answer-title").textContent = title;
    element("surface").setAttribute("aria-label", `${title}, at each point of the square`);
    const { middle, reach } = range;
    element("low").textContent = inspected ? (middle - reach).toFixed(2) : "orange";
    element("high").textContent = inspected ? (middle + reach).toFixed(2) : "blue";
    element("caption").textContent = inspected
      ? formulaOf(network, inspected)
      : "Point at a hidden unit to see it here, and what it computes.";
  }
}

/** Of the weights to the scores of both classes: how much a unit speaks for blue. */
function toAnswer(weights) {
  return Float32Array.from({ length: weights.length / 2 }, (_, i) =>
    weights[2 * i + 1] - weights[2 * i]);
}

function showNumbers({ steps, passes, scores }, rates) {
  element("steps").textContent = whole(steps);
  element("passes").textContent = whole(passes);
  element("speed").textContent = rates.computing ? whole(rates.computing) : "–";
  element("speed-all").textContent = rates.all ? whole(rates.all) : "–";
  const { training, test } = scores;
  element("loss").textContent = short(training.loss);
  element("right").textContent = percent(training.right);
  element("test-loss").textContent = short(test.loss);
  element("test-right").textContent = percent(test.right);
  element("curve").setAttribute("aria-label", `The loss over ${whole(steps)} steps: ` +
    `${training.loss.toFixed(2)} for training points, ${test.loss.toFixed(2)} for test points`);
}
