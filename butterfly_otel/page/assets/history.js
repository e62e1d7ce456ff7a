// What was read in the last minutes, and what it makes: rates, levels, quantiles.
const KEEP_SECONDS = 15 * 60;
const KEEP_NUMBERS = 3e6; // 24 MB
const QUANTILE_SECONDS = 30;

const at = (values, place) => (place >= 0 && place < values.length ? values[place] : NaN);

// An increase; a value that was not there, or has become smaller, began at zero.
function grown(before, now) {
  if (Number.isNaN(now)) return 0;
  return before <= now ? now - before : now;
}

function quantile(q, bounds, counts) {
  const total = counts[counts.length - 1];
  if (!(total > 0)) return null;
  const rank = q * total;
  const index = counts.findIndex((count) => count >= rank);
  if (index === bounds.length - 1) return bounds.length > 1 ? bounds[index - 1] : null;
  const low = index > 0 ? bounds[index - 1] : 0;
  const below = index > 0 ? counts[index - 1] : 0;
  const inside = counts[index] - below;
  return inside > 0 ? low + ((bounds[index] - low) * (rank - below)) / inside : bounds[index];
}

class History {
  constructor() {
    this.book = new Book();
    this.shots = []; // {t, values}, oldest first
    this.first = 0; // the number of the oldest one
    this.tracks = new Map();
  }

  add(t, text) {
    const values = this.book.read(text);
    this.shots.push({ t, values });
    const most = Math.max(30, Math.floor(KEEP_NUMBERS / Math.max(1, this.book.size)));
    while (this.shots.length > most || t - this.shots[0].t > KEEP_SECONDS) {
      this.shots.shift();
      this.first += 1;
    }
  }

  get now() {
    return this.shots[this.shots.length - 1];
  }

  forget() {
    this.tracks.clear();
  }

  // The points of some groups of one family, computed as far as they are not yet:
  // {t, value} or, of a histogram, {t, value: observations a second, p50, p99}.
  track(key, kind, combine, groups) {
    let track = this.tracks.get(key);
    if (!track) {
      track = { points: [], next: this.first };
      this.tracks.set(key, track);
    }
    const end = this.first + this.shots.length;
    for (let number = Math.max(track.next, this.first); number < end; number += 1) {
      track.points.push(this._point(number - this.first, kind, combine, groups));
    }
    track.next = end;
    while (track.points.length > this.shots.length) track.points.shift();
    return track.points;
  }

  _point(index, kind, combine, groups) {
    const { t, values } = this.shots[index];
    if (kind === "histogram") return this._quantiles(index, groups);
    if (kind === "counter") {
      if (index === 0) return { t, value: null };
      const before = this.shots[index - 1];
      let sum = 0;
      let some = false;
      for (const group of groups) {
        const now = at(values, group.at);
        if (!Number.isNaN(now)) {
          some = true;
          sum += grown(at(before.values, group.at), now);
        }
      }
      return { t, value: some ? sum / Math.max(0.001, t - before.t) : null };
    }
    return { t, value: level(values, combine, groups) };
  }

  _quantiles(index, groups) {
    const { t, values } = this.shots[index];
    if (index === 0) return { t, value: null, p50: null, p99: null };
    let then = index - 1;
    while (then > 0 && t - this.shots[then - 1].t <= QUANTILE_SECONDS) then -= 1;
    const before = this.shots[then];
    const { bounds, counts, total } = increases(groups, before.values, values);
    const value = groups.length ? total / Math.max(0.001, t - before.t) : null;
    return { t, value, p50: quantile(0.5, bounds, counts), p99: quantile(0.99, bounds, counts) };
  }

  // Quantiles over everything since the process began, for when nothing is new.
  overall(groups) {
    const { bounds, counts, total } = increases(groups, new Float64Array(0), this.now.values);
    return { total, p50: quantile(0.5, bounds, counts), p99: quantile(0.99, bounds, counts) };
  }

  total(groups) {
    return level(this.now.values, "sum", groups);
  }
}

function increases(groups, before, now) {
  const bounds = groups.length ? groups[0].bounds : [];
  const counts = new Array(bounds.length).fill(0);
  let total = 0;
  for (const group of groups) {
    total += grown(at(before, group.count), at(now, group.count));
    if (group.bounds.length !== bounds.length) continue;
    group.buckets.forEach((place, index) => {
      counts[index] += grown(at(before, place), at(now, place));
    });
  }
  return { bounds, counts, total };
}

function level(values, combine, groups) {
  let sum = 0;
  let most = -Infinity;
  let many = 0;
  for (const group of groups) {
    const value = at(values, group.at);
    if (Number.isNaN(value)) continue;
    many += 1;
    sum += value;
    if (value > most) most = value;
  }
  if (!many) return null;
  if (combine === "max") return most;
  return combine === "mean" ? sum / many : sum;
}
