// The networks that build.py compiled: what there is, and how one is loaded.

import { Network } from "./network.js";

/** Bytes of a module of one function with a vector instruction, i8x16.splat. */
const VECTOR_MODULE = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: one, () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // functions: one, of type 0
  ...[0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b], // code: i32.const 0, splat, end
]);

async function fetched(file) {
  let response;
  try {
    response = await fetch(file);
  } catch {
    throw new Error(`${file} was not loaded: the server does not answer.`);
  }
  if (!response.ok) {
    throw new Error(`${file} was not loaded: the server answers ${response.status}.`);
  }
  return response;
}

/** A text file of the site, such as a graph. */
export async function fetchedText(file) {
  return (await fetched(file)).text();
}

export class Library {
  /** Which modules this browser runs: with vector instructions ("simd") or without ("plain"). */
  static kind = () => (WebAssembly.validate(VECTOR_MODULE) ? "simd" : "plain");

  static async load() {
    if (typeof WebAssembly === "undefined") {
      throw new Error("This browser has no WebAssembly, or it is switched off.");
    }
    const document = await (await fetched("networks.json")).json();
    return new Library(document, Library.kind());
  }

  constructor({ networks, batch, points, side }, kind) {
    Object.assign(this, { networks, batch, points, side, kind });
  }

  /** The values of a field, such as "units", that networks have. */
  values(field) {
    return [...new Set(this.networks.map((network) => network[field]))];
  }

  /** Load the network of these `layers`, `units` and `activation`. */
  async network({ layers, units, activation }) {
    const wanted = [layers, units, activation].map(String).join();
    const description = this.networks.find((each) =>
      [each.layers, each.units, each.activation].join() === wanted);
    if (!description) throw new Error(`There is no network ${wanted}.`);
    const module = description.modules[this.kind];
    const bytes = await (await fetched(module.file)).arrayBuffer();
    const memory = new WebAssembly.Memory({ initial: 32 });
    try {
      const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
      return new Network(instance.exports, memory, description, module, this);
    } catch (error) {
      throw new Error(`${module.file} cannot be used: ${error.message}.`);
    }
  }
}
