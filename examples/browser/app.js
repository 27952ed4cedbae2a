// Trains the chosen network a few steps a frame, and draws what it has learned.

const POINTS = 400, CURVE = 400;
const element = (id) => document.getElementById(id);

// Data sets: points in the square from -1 to 1 and their classes, drawn with a fixed seed.

function generator(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 4294967296;
  };
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const DATA = {
  "two moons": (random, label) => {
    const angle = Math.PI * random(), side = label ? -1 : 1;
    return [
      0.55 * side * Math.cos(angle) - 0.25 * side + 0.05 * normal(random),
      0.55 * side * Math.sin(angle) - 0.12 * side + 0.05 * normal(random),
    ];
  },
  circle: (random, label) => {
    const angle = 2 * Math.PI * random(), radius = label ? 0.35 * random() : 0.6 + 0.3 * random();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  "exclusive or": (random, label) => {
    const x = 0.08 + 0.85 * random(), y = 0.08 + 0.85 * random(), flip = random() < 0.5 ? 1 : -1;
    return [flip * x, (label ? flip : -flip) * y];
  },
  spirals: (random, label) => {
    const along = random(), angle = 2.5 * Math.PI * along + (label ? Math.PI : 0);
    return [
      0.9 * along * Math.cos(angle) + 0.02 * normal(random),
      0.9 * along * Math.sin(angle) + 0.02 * normal(random),
    ];
  },
};

function draw(name) {
  const random = generator(7), points = new Float32Array(2 * POINTS), labels = new Int32Array(POINTS);
  for (let i = 0; i < POINTS; i++) {
    labels[i] = i % 2;
    points.set(DATA[name](random, labels[i]), 2 * i);
  }
  return { points, labels };
}

// A network: a WebAssembly module, and its memory, which this page owns.

class Network {
  static async load(choice, { batch, side }) {
    const memory = new WebAssembly.Memory({ initial: 16 });
    const source = await (await fetch(choice.file)).arrayBuffer();
    const { instance } = await WebAssembly.instantiate(source, { env: { memory } });
    return new Network(instance.exports, memory, choice, batch, side);
  }

  constructor(functions, memory, choice, batch, side) {
    this.functions = functions;
    this.batch = batch;
    let top = functions.__heap_base.value;
    const place = (bytes) => {
      const address = Math.ceil(top / 64) * 64;
      top = address + bytes;
      return address;
    };
    const pixels = side * side, maps = choice.layers * choice.units;
    this.at = {
      state: place(choice.state),
      workspace: place(choice.workspace),
      points: place(8 * batch),
      labels: place(4 * batch),
      rate: place(4),
      loss: place(4),
      surface: place(4 * pixels),
      features: place(4 * pixels * maps),
    };
    const missing = top - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    const floats = (address, count) => new Float32Array(memory.buffer, address, count);
    this.points = floats(this.at.points, 2 * batch);
    this.labels = new Int32Array(memory.buffer, this.at.labels, batch);
    this.rate = floats(this.at.rate, 1);
    this.loss = floats(this.at.loss, 1);
    this.surface = floats(this.at.surface, pixels);
    this.features = Array.from({ length: maps }, (_, i) =>
      floats(this.at.features + 4 * pixels * i, pixels));
    this.check(functions.net_initialize(this.at.state, BigInt.asIntN(64, BigInt(choice.interface))));
    this.memory = memory;
  }

  check(status) {
    if (status === 0) return;
    const bytes = new Uint8Array(this.memory.buffer, this.functions.net_message(status));
    throw new Error(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
  }

  // One step on points drawn from the data; gives the loss.
  train(data, random, rate) {
    for (let i = 0; i < this.batch; i++) {
      const chosen = Math.floor(random() * POINTS);
      this.points[2 * i] = data.points[2 * chosen];
      this.points[2 * i + 1] = data.points[2 * chosen + 1];
      this.labels[i] = data.labels[chosen];
    }
    this.rate[0] = rate;
    const { state, workspace, points, labels, loss } = this.at;
    this.check(this.functions.net_train(state, workspace, points, labels, this.at.rate, loss));
    return this.loss[0];
  }

  // Fill `surface` and `features`.
  look() {
    const { state, workspace, surface, features } = this.at;
    this.check(this.functions.net_look(state, workspace, surface, features));
  }
}

// Drawing: orange is class 0, blue is class 1.

function shade(value) {
  const [orange, white, blue] = [[240, 140, 40], [245, 245, 245], [40, 110, 220]];
  const [from, to, part] = value < 0.5 ? [orange, white, 2 * value] : [white, blue, 2 * value - 1];
  return from.map((channel, i) => channel + (to[i] - channel) * part);
}

function paint(canvas, values, side, low, high) {
  const image = new ImageData(side, side);
  values.forEach((value, i) => {
    const part = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0.5;
    image.data.set([...shade(part), 255], 4 * i);
  });
  const small = new OffscreenCanvas(side, side);
  small.getContext("2d").putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
}

function paintPoints(canvas, data) {
  const context = canvas.getContext("2d"), half = canvas.width / 2;
  for (let i = 0; i < POINTS; i++) {
    context.beginPath();
    context.arc(half * (1 + data.points[2 * i]), half * (1 - data.points[2 * i + 1]), 3, 0, 7);
    context.fillStyle = data.labels[i] ? "#174ea6" : "#b45309";
    context.fill();
  }
}

function paintCurve(canvas, losses) {
  const context = canvas.getContext("2d"), highest = Math.max(...losses, 0.7);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.beginPath();
  losses.forEach((loss, i) =>
    context.lineTo(i * canvas.width / CURVE, canvas.height * (1 - 0.95 * loss / highest)));
  context.strokeStyle = "#1f6feb";
  context.stroke();
}

// The page.

class Page {
  constructor(library) {
    this.library = library;
    this.running = false;
    const of = (field) => [...new Set(library.networks.map((network) => network[field]))];
    const choices = { data: Object.keys(DATA), activation: of("activation"), layers: of("layers"),
      units: of("units") };
    for (const [id, values] of Object.entries(choices)) {
      element(id).append(...values.map((value) => new Option(value)));
      element(id).addEventListener("change", () => this.start());
    }
    element("units").value = "8";
    element("reset").addEventListener("click", () => this.start());
    element("train").addEventListener("click", () => this.toggle());
  }

  async start() {
    const chosen = Object.fromEntries(
      ["activation", "layers", "units"].map((id) => [id, element(id).value]));
    const choice = this.library.networks.find((network) =>
      Object.entries(chosen).every(([field, value]) => String(network[field]) === value));
    const network = await Network.load(choice, this.library);
    this.network = network;
    this.data = draw(element("data").value);
    this.random = generator(11);
    this.steps = 0;
    this.losses = [];
    this.busy = 0;
    element("features").replaceChildren(...network.features.map(() => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 72;
      return canvas;
    }));
    this.show();
  }

  toggle() {
    this.running = !this.running;
    element("train").textContent = this.running ? "Pause" : "Train";
    if (this.running) requestAnimationFrame(() => this.frame());
  }

  frame() {
    if (!this.running) return;
    const count = Number(element("pace").value), rate = Number(element("rate").value);
    const begin = performance.now();
    let loss = 0;
    for (let i = 0; i < count; i++) loss += this.network.train(this.data, this.random, rate);
    // A frame is too short for the clock: what is shown is the mean of many.
    this.busy += performance.now() - begin;
    this.steps += count;
    this.losses = [...this.losses, loss / count].slice(-CURVE);
    this.show();
    requestAnimationFrame(() => this.frame());
  }

  show() {
    const { network, data, library: { side }, losses } = this;
    network.look();
    paint(element("surface"), network.surface, side, 0, 1);
    paintPoints(element("surface"), data);
    [...element("features").children].forEach((canvas, i) => {
      const values = network.features[i];
      paint(canvas, values, side, Math.min(...values), Math.max(...values));
    });
    paintCurve(element("curve"), losses);
    element("steps").textContent = this.steps;
    element("loss").textContent = losses.length ? losses.at(-1).toFixed(4) : "-";
    element("right").textContent = `${(100 * this.right()).toFixed(0)} %`;
    element("speed").textContent =
      this.busy > 1 ? Math.round(1000 * this.steps / this.busy).toLocaleString("en") : "-";
  }

  // The share of the points whose pixel of the surface has their class.
  right() {
    const { data, network, library: { side } } = this;
    const cell = (value) => Math.min(Math.max(Math.floor((value + 1) / 2 * side), 0), side - 1);
    let right = 0;
    for (let i = 0; i < POINTS; i++) {
      const pixel = side * cell(-data.points[2 * i + 1]) + cell(data.points[2 * i]);
      right += (network.surface[pixel] > 0.5) === (data.labels[i] === 1);
    }
    return right / POINTS;
  }
}

try {
  const page = new Page(await (await fetch("networks.json")).json());
  await page.start();
  element("message").textContent = "Ready: press Train.";
} catch (error) {
  element("message").textContent = `This page did not start: ${error.message}`;
}
