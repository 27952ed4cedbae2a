// The page: loads the networks, listens to the controls, and trains a few steps a frame.

import { Code } from "./code.js";
import { onSchemeChange } from "./colors.js";
import { Controls, DATA_SETTINGS, NETWORK_SETTINGS } from "./controls.js";
import { drawSets } from "./data.js";
import { showFacts } from "./facts.js";
import { Library } from "./library.js";
import { Session } from "./session.js";
import { Speed } from "./training.js";
import { View } from "./view.js";

const FRAME = 10; // milliseconds of computing, where the pace is "as fast as it can"
const CALM = 500; // milliseconds between drawings for readers who want little motion
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const element = (id) => document.getElementById(id);

class Page {
  constructor(library) {
    this.library = library;
    this.controls = new Controls(element("controls"), library);
    this.view = new View(() => this.draw());
    this.code = new Code(element("code"));
    this.speed = new Speed();
    this.running = false;
    this.drawn = 0;
  }

  async start() {
    element("controls").hidden = false;
    await this.load();
    this.controls.paintPreviews();
    this.controls.form.addEventListener("change", (event) => this.change(event.target.name));
    this.controls.form.addEventListener("submit", (event) => event.preventDefault());
    this.controls.form.elements.noise.addEventListener("input", () => this.change("noise"));
    element("train").addEventListener("click", () => this.toggle());
    element("step").addEventListener("click", () => this.stepOnce());
    element("reset").addEventListener("click", () => this.restart());
    new ResizeObserver(() => this.drawAll()).observe(document.body);
    onSchemeChange(() => this.drawAll());
    say("Ready: press Train.");
  }

  /** Load the network that is chosen; what ran before goes on if that fails. */
  async load() {
    const { settings } = this.controls;
    const network = await this.library.network(settings);
    const latest = this.controls.settings;
    if (NETWORK_SETTINGS.some((name) => latest[name] !== settings[name])) return;
    this.chosen = settings;
    this.view.show(network);
    this.begin(network);
    showFacts(element("facts"), network, this.library.kind);
    this.code.show(network.description);
  }

  /** Begin with the data and the initial weights that are chosen. */
  begin(network) {
    const { data, noise, seed, weights } = this.controls.settings;
    const sets = drawSets(data, this.library.points, noise, seed);
    this.session = new Session(network, sets, weights);
    this.drawAll();
  }

  async change(name) {
    if (!this.controls.form.reportValidity()) return;
    try {
      if (NETWORK_SETTINGS.includes(name)) await this.load();
      else if (DATA_SETTINGS.includes(name)) this.begin(this.session.network);
      else this.drawAll();
      this.controls.save();
    } catch (error) {
      this.controls.restore(NETWORK_SETTINGS.map((each) => [each, this.chosen[each]]));
      complain(error);
    }
  }

  toggle() {
    this.running = !this.running;
    element("train").textContent = this.running ? "Pause" : "Train";
    if (this.running) {
      this.speed = new Speed();
      say("Learning.");
      this.next();
    } else {
      this.draw();
      this.summarize();
    }
  }

  stepOnce() {
    if (this.running) this.toggle();
    this.attempt(() => {
      this.session.step(this.controls.settings);
      this.session.judge();
      this.summarize();
    });
    this.draw();
  }

  /** Do something that can fail: then training pauses, and the reader is told why. */
  attempt(act) {
    try {
      act();
    } catch (error) {
      if (this.running) this.toggle();
      complain(error);
    }
  }

  next() {
    requestAnimationFrame((time) => {
      if (!this.running) return;
      this.attempt(() => this.frame(time));
      if (this.running) this.next();
    });
  }

  restart() {
    this.session.restart();
    this.draw();
    if (!this.running) say("Ready: press Train.");
  }

  frame(time) {
    const { settings } = this.controls;
    const begin = performance.now();
    const goesOn = settings.pace === "most"
      ? () => performance.now() - begin < FRAME
      : (count) => count < Number(settings.pace);
    const steps = this.session.train(settings, goesOn);
    this.speed.add(time, steps, performance.now() - begin);
    this.session.judge();
    if (!calm.matches || time - this.drawn > CALM) {
      this.drawn = time;
      this.draw();
    }
  }

  draw() {
    this.view.draw(this.session, this.controls.settings, this.speed.rates());
  }

  drawAll() {
    const { settings } = this.controls;
    this.controls.paintPreviews();
    this.view.drawPoints(this.session.sets, settings.test);
    this.draw();
  }

  summarize() {
    const { steps, scores } = this.session;
    say(`Paused after ${steps.toLocaleString("en")} steps: ` +
      `${(100 * scores.test.right).toFixed(1)} % of the test points are right.`);
  }
}

function say(text) {
  element("message").className = "";
  element("message").textContent = text;
}

function complain(error) {
  element("message").className = "problem";
  element("message").textContent = error.message;
}

try {
  await new Page(await Library.load()).start();
} catch (error) {
  complain(error);
}
