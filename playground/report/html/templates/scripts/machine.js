// A program in WebAssembly and its memory, as `playground/live.py` describes both.

const ELEMENTS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, i64: BigInt64Array };
const PAGE_BYTES = 65536;

const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
const numbersOf = (text, Kind = Float64Array) => new Kind(bytesOf(text).buffer);

class Machine {
  // Each instance has a memory of its own: the run that is shown and the many runs of a map do not disturb each other.
  constructor(program, module) {
    this.program = program;
    this.functions = new WebAssembly.Instance(module).exports;
    this.arrays = Object.fromEntries(
      program.arrays.map(([name, element, count, lanes, rows, role]) => [name, { element, count, lanes, rows, role }]),
    );
  }

  // Place the arrays for so many rows of each kind, and fill inputs and outputs with zeros. An array in `without` is not wanted.
  lay(sizes, without = []) {
    let end = this.program.reserved;
    this.sizes = sizes;
    for (const [name, array] of Object.entries(this.arrays)) {
      array.length = array.rows.reduce((product, row) => product * sizes[row], array.count * array.lanes);
      array.address = without.includes(name) ? 0 : end;
      if (array.address) end += Math.ceil((array.length * ELEMENTS[array.element].BYTES_PER_ELEMENT) / 16) * 16;
    }
    const { memory } = this.functions,
      missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    const header = [...this.program.sizes.map((name) => sizes[name] ?? 0), ...Object.values(this.arrays).map((array) => array.address)];
    new Int32Array(memory.buffer, 0, header.length).set(header);
    for (const name of Object.keys(this.arrays)) if (this.has(name)) this.view(name).fill(this.arrays[name].element === "i64" ? 0n : 0);
    return this;
  }
  has(name) {
    return Boolean(this.arrays[name]?.address);
  }
  view(name) {
    const { element, address, length } = this.arrays[name];
    return new ELEMENTS[element](this.functions.memory.buffer, address, length);
  }
  // Write a row of numbers for each run; the lanes after the last run repeat it, because a tile is always full.
  put(name, count, row) {
    const { lanes, count: entries, length } = this.arrays[name],
      view = this.view(name);
    for (let run = 0; run < length / entries; run++) {
      const numbers = row(Math.min(run, count - 1)),
        first = Math.floor(run / lanes) * entries * lanes + (run % lanes);
      for (let entry = 0; entry < entries; entry++) view[first + entry * lanes] = numbers[entry];
    }
  }
  // Return what reads an entry of the row of a run.
  rows(name) {
    const { lanes, count } = this.arrays[name],
      view = this.view(name);
    return (run, entry = 0) => Number(view[(Math.floor(run / lanes) * count + entry) * lanes + (run % lanes)]);
  }
  // Return what reads an entry of a kept row of a run: `losses`, `norms` and `path` have one for each kept step.
  kept(name) {
    const { lanes, count } = this.arrays[name],
      view = this.view(name),
      { kept } = this.sizes;
    return (run, row, entry = 0) => view[((Math.floor(run / lanes) * kept + row) * count + entry) * lanes + (run % lanes)];
  }
  call(name, ...numbers) {
    return this.functions[name](...numbers);
  }
}
