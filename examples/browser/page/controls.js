// The form: what is chosen, and the address of the page that says the same.

import { DATA_SETS, drawSets } from "./data.js";
import { paintPoints } from "./plot.js";

const PREVIEWED = 80;
const NUMBERS = ["noise", "seed", "weights", "layers", "units", "batch", "rate"];

/** Changes of these ask for another network, and of those for other points or weights. */
export const NETWORK_SETTINGS = ["layers", "units", "activation"];
export const DATA_SETTINGS = ["data", "noise", "seed", "weights"];

export class Controls {
  /** Fill the form with what can be chosen, and take the choices that the address names. */
  constructor(form, library) {
    this.form = form;
    for (const name of NETWORK_SETTINGS) {
      const options = library.values(name).map((value) => new Option(value));
      form.elements[name].replaceChildren(...options);
    }
    form.querySelector("#data").append(...Object.entries(DATA_SETS).map(dataChoice));
    form.elements.units.value = Math.max(...library.values("units"));
    form.elements.data.value = "moons";
    const named = new URLSearchParams(location.hash.slice(1));
    this.restore(named);
    // An address says of a box that it is checked, or nothing.
    if (named.has("data")) form.elements.test.checked = named.has("test");
    this.paintPreviews();
  }

  /** All choices by name. */
  get settings() {
    const settings = Object.fromEntries(new FormData(this.form));
    for (const name of NUMBERS) settings[name] = Number(settings[name]);
    return settings;
  }

  /** Choose what `choices` names; what cannot be chosen is left out. */
  restore(choices) {
    for (const [name, value] of choices) {
      const element = this.form.elements[name];
      const before = element?.value;
      if (before === undefined) continue;
      element.value = value;
      if (!element.value) element.value = before;
    }
    this.form.elements.noiseShown.value = this.form.elements.noise.value;
  }

  /** Write the choices into the address, so that it can be passed on. */
  save() {
    history.replaceState(null, "", `#${new URLSearchParams(new FormData(this.form))}`);
    this.form.elements.noiseShown.value = this.form.elements.noise.value;
  }

  paintPreviews() {
    for (const canvas of this.form.querySelectorAll("#data canvas")) {
      const { training } = drawSets(canvas.dataset.name, PREVIEWED, 0.03, 3);
      paintPoints(canvas, { training }, 2.1);
    }
  }
}

function dataChoice([name, title]) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), {
    type: "radio", name: "data", value: name,
  });
  const canvas = document.createElement("canvas");
  canvas.dataset.name = name;
  canvas.setAttribute("aria-hidden", "true");
  const text = Object.assign(document.createElement("span"), { textContent: title });
  label.append(input, canvas, text);
  return label;
}
