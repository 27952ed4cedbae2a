// Calls every entry of a library, with each array between bytes that must stay as they are.
//
//     node calls.mjs MODULE TABLE INPUTS OUTPUTS
//
// Reads and writes what calls.c does. TABLE has in JSON what is in its table.h.
import fs from "fs";

const [module, table, inputs, outputs] = process.argv.slice(2);
const { interface: number, state_bytes, entries } = JSON.parse(fs.readFileSync(table));
const given = fs.readFileSync(inputs);
const UNWRITTEN = 0xa5, GUARD = 64, PAGE = 65536;
const memory = new WebAssembly.Memory({ initial: 1024 });
const { instance } = await WebAssembly.instantiate(fs.readFileSync(module), { env: { memory } });
const run = instance.exports;
const written = [];
let top, fences;

// Room for `size` bytes: at an end, or at the beginning, of what is aligned to 64 bytes.
function place(size, atEnd) {
  const inner = Math.ceil(size / 64) * 64;
  const first = Math.ceil(top / 64) * 64 + GUARD, address = first + (atEnd ? inner - size : 0);
  top = first + inner + GUARD;
  if (top > memory.buffer.byteLength) {
    memory.grow(Math.ceil((top - memory.buffer.byteLength) / PAGE));
  }
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(UNWRITTEN, first - GUARD, top);
  fences.push([first - GUARD, address], [address + size, top]);
  return address;
}

function call(entry, atEnd, position) {
  top = run.__heap_base.value;
  fences = [];
  const state = place(state_bytes, atEnd), workspace = place(entry.workspace_bytes, atEnd);
  const places = entry.bytes.map((size) => place(size, atEnd));
  const bytes = new Uint8Array(memory.buffer);
  for (let i = 0; i < entry.inputs; i++) {
    bytes.set(given.subarray(position, position + entry.bytes[i]), places[i]);
    position += entry.bytes[i];
  }
  const begun = run.library_initialize(state, BigInt(number));
  const status = begun || run[`library_${entry.name}`](state, workspace, ...places);
  for (const [from, to] of fences) {
    if (bytes.subarray(from, to).some((byte) => byte !== UNWRITTEN)) {
      throw new Error(`${entry.name} wrote beside its arrays`);
    }
  }
  const results = places.map((address, i) => [address, entry.bytes[i]]).slice(entry.inputs);
  written.push(Buffer.from(Int32Array.of(status).buffer));
  for (const [address, size] of [...results, [state, state_bytes]]) {
    written.push(Buffer.from(bytes.slice(address, address + size)));
  }
  return position;
}

for (const atEnd of [true, false]) {
  let position = 0;
  for (const entry of entries) {
    console.error(`${entry.name}, arrays at the ${atEnd ? "end" : "beginning"} of their room`);
    position = call(entry, atEnd, position);
  }
}
fs.writeFileSync(outputs, Buffer.concat(written));
