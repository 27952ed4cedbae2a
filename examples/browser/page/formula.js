// What a hidden unit computes, in words and numbers.

const SUBSCRIPTS = [..."₀₁₂₃₄₅₆₇₈₉"];
const subscript = (number) => [...String(number)].map((digit) => SUBSCRIPTS[digit]).join("");
const signed = (value) => `${value < 0 ? "−" : "+"} ${Math.abs(value).toFixed(2)}`;

/** Such as `tanh(0.52 x₁ − 1.20 x₂ + 0.10)`. */
export function formulaOf(network, { layer, unit }) {
  const weights = network.weights()[layer];
  const { units, activation } = network.description;
  const name = layer === 0 ? "x" : "h";
  const terms = Array.from({ length: weights.length / units }, (_, i) =>
    `${signed(weights[i * units + unit])} ${name}${subscript(i + 1)}`);
  terms.push(signed(network.biases(layer + 1)[unit]));
  const sum = terms.join(" ").replace(/^\+ /, "").replace(/^− /, "−");
  return `${activation}(${sum})`;
}
