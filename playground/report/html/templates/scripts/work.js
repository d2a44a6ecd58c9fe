// Work between frames: jobs are generators that yield often, so that no frame waits for them.

const FRAME_WORK = 8; // milliseconds of work in a frame; a frame has 16
const SLICE_WORK = 2; // milliseconds between two yields of a job

const jobs = new Map(); // by key, each with its rank: the run that is shown comes before maps
let isWaiting = false;

const startJob = (key, rank, job, after) => {
  jobs.set(key, { rank, job, after });
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(workAFrame);
};
const stopJob = (key) => jobs.delete(key);

// For tests: wait until no job is left, and a frame longer.
const settled = async () => {
  do await new Promise((then) => setTimeout(then, 30));
  while (jobs.size);
  await new Promise(requestAnimationFrame);
};

const workAFrame = () => {
  const until = performance.now() + FRAME_WORK,
    worked = new Set();
  isWaiting = false;
  while (jobs.size && performance.now() < until) {
    const [key, each] = [...jobs].reduce((first, other) => (other[1].rank < first[1].rank ? other : first));
    worked.add(each);
    if (each.job.next().done && jobs.get(key) === each) jobs.delete(key);
  }
  for (const each of worked) each.after();
  if (!jobs.size || isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(workAFrame);
};

// Call `work(from, to)` for parts of 0 … total that take about as long as a slice; yield after each.
function* inSlices(total, work, first = 1) {
  for (let at = 0, size = first; at < total;) {
    const began = performance.now(),
      to = Math.min(total, at + size);
    if (work(at, to) === false) return;
    const took = Math.max(performance.now() - began, 0.01);
    size = Math.max(1, Math.min(4 * (to - at), Math.floor(((to - at) * SLICE_WORK) / took)));
    at = to;
    yield at;
  }
}
