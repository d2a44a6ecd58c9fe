// The data points of a session: moved, added, deleted, of another class, with noise. Only where data are inputs of the program.

class Samples {
  // `classes` counts the classes, `targets` has the class of each sample; both are missing where a target is a number.
  constructor(session, { classes = 0, targets = [], level = null }) {
    Object.assign(this, { session, classes, level, newClass: classes ? 1 : 0 });
    [this.wide, this.deep] = session.live.data.map((each) => sizeOf(each.shape.slice(1)));
    const [, data] = session.initial.data,
      rows = range(classes).map((kind) => targets.indexOf(kind));
    this.rows = rows.map((i) => (i < 0 ? null : Array.from(data.subarray(i * this.deep, (i + 1) * this.deep))));
  }
  get data() {
    return this.session.settings.data;
  }
  get count() {
    return this.data[0].length / this.wide;
  }
  input(i) {
    return Array.from(this.data[0].subarray(i * this.wide, (i + 1) * this.wide));
  }
  target(i) {
    return Array.from(this.data[1].subarray(i * this.deep, (i + 1) * this.deep));
  }
  at(i) {
    return this.wide === 2 ? this.input(i) : [this.input(i)[0], this.target(i)[0]];
  }
  classOf(i) {
    const target = this.target(i),
      away = (row) => (row ? row.reduce((sum, each, j) => sum + Math.abs(each - target[j]), 0) : Infinity);
    return this.classes ? range(this.classes).reduce((best, kind) => (away(this.rows[kind]) < away(this.rows[best]) ? kind : best)) : 0;
  }
  // An edit makes the noise a part of the points, so that more noise does not undo the edit.
  set(data) {
    this.session.change({ data, clean: data[0], noise: 0 });
  }
  move(i, [a, b]) {
    const [inputs, targets] = this.data.map((each) => each.slice());
    if (Number.isFinite(a)) inputs[i * this.wide] = a;
    if (Number.isFinite(b) && this.wide === 2) inputs[i * this.wide + 1] = b;
    if (Number.isFinite(b) && this.wide === 1) targets[i * this.deep] = b;
    this.set([inputs, targets]);
  }
  setClass(i, kind) {
    if (!this.rows[kind]) return;
    const targets = this.data[1].slice();
    targets.set(this.rows[kind], i * this.deep);
    this.set([this.data[0], targets]);
  }
  add([a, b]) {
    const target = this.classes ? this.rows[this.newClass] : [b];
    if (!target || ![a, b].every(Number.isFinite)) return;
    this.set([[...(this.wide === 2 ? [a, b] : [a])], target].map((more, which) => Float64Array.from([...this.data[which], ...more])));
  }
  remove(i) {
    if (this.count === 1) return tell(this.session, "One point must stay.");
    return this.set([this.wide, this.deep].map((size, which) => this.data[which].filter((_, place) => Math.floor(place / size) !== i)));
  }
  // Move each input by a share of the spread of its column, in directions that never change.
  setNoise(noise) {
    const { clean } = this.session.settings,
      { wide } = this,
      spreads = range(wide).map((column) => spreadOf(clean.filter((_, i) => i % wide === column)));
    const normal = normals(1);
    this.session.change({ noise, data: [clean.map((value, i) => value + noise * spreads[i % wide] * normal()), this.data[1]] });
  }
  predictions(k) {
    return this.session.predict(
      modelAt(this.session.shown, k),
      range(this.count).map((i) => this.input(i)),
    );
  }
  // The coefficient of determination, 1 − Σ(p − t)² / Σ(t − mean)².
  determination(k) {
    const targets = range(this.count).map((i) => this.target(i)[0]),
      mean = targets.reduce((sum, each) => sum + each, 0) / this.count,
      squares = (values) => values.reduce((sum, each) => sum + each ** 2, 0);
    return 1 - squares(this.predictions(k).map(([each], i) => each - targets[i])) / squares(targets.map((each) => each - mean));
  }
  accuracy(k) {
    return this.predictions(k).filter((outputs, i) => this.decide(outputs) === this.classOf(i)).length / this.count;
  }
  decide(outputs) {
    return outputs.length > 1 ? outputs.indexOf(Math.max(...outputs)) : Number(outputs[0] > this.level);
  }
}

const spreadOf = (values) => {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  return Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length);
};

// Numbers from 0 to 1 and of the normal distribution, the same for the same seed: mulberry32, and the method of Box and Muller.
const uniforms = (seed) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
const normals = (seed) => {
  const draw = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
};
