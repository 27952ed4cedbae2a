// What the running module is made of, in bytes.

const bytes = (count) =>
  count < 10000 ? `${count.toLocaleString("en")} bytes` : `${(count / 1024).toFixed(1)} KiB`;

/** Fill a description list with what is known of a network. */
export function showFacts(list, { description, module }, kind) {
  const params = Object.entries(description.params);
  const count = params
    .filter(([name]) => /^dense\d+\.[wb]$/.test(name))
    .reduce((total, [, { shape }]) => total + shape.reduce((a, b) => a * b, 1), 0);
  const facts = {
    Module: `${module.file}, ${bytes(module.bytes)}`,
    "Code and constants": `${bytes(module.code)} and ${bytes(module.constants)}`,
    Instructions: kind === "simd" ? "with vectors (simd128)" : "without vectors",
    "Trained numbers": count.toLocaleString("en"),
    State: `${bytes(description.state)}: those numbers and Adam's moments`,
    Workspace: bytes(module.workspace),
    Interface: `0x${BigInt(module.interface).toString(16)}`,
  };
  list.replaceChildren(...Object.entries(facts).flatMap(([name, text]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: text }),
  ]));
}
