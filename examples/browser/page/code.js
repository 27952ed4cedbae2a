// "See what runs": the program as it was written, and the graphs that were compiled from it.

import { fetchedText } from "./library.js";

const SOURCE = "networks.py";

export class Code {
  /** @param root a details element with a select, a pre and nothing loaded until it is opened */
  constructor(root) {
    this.root = root;
    this.select = root.querySelector("select");
    this.text = root.querySelector("pre");
    root.addEventListener("toggle", () => this.load());
    this.select.addEventListener("change", () => this.load());
  }

  /** Show the graphs of another network. */
  show({ name, functions }) {
    const chosen = this.select.value;
    const graphs = functions.map((each) => new Option(`${each}.gir`, `${name}/${each}.gir`));
    this.select.replaceChildren(...graphs, new Option(SOURCE));
    const same = graphs.find((graph) => graph.text === chosen.split("/").at(-1));
    this.select.value = same?.value ?? (chosen || graphs[0].value);
    return this.load();
  }

  async load() {
    const file = this.select.value;
    if (!this.root.open || this.shown === file) return;
    try {
      const text = await fetchedText(file);
      if (file !== this.select.value) return;
      this.text.replaceChildren(...text.split("\n").flatMap(codeLine));
      this.shown = file;
    } catch (error) {
      this.text.textContent = error.message;
    }
  }
}

/** A line, with its comment set apart. */
function codeLine(line) {
  const begin = line.lastIndexOf("  # ");
  if (begin < 0) return [`${line}\n`];
  const comment = document.createElement("span");
  comment.className = "comment";
  comment.textContent = `${line.slice(begin)}\n`;
  return [line.slice(0, begin), comment];
}
