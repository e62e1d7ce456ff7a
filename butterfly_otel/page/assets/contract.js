// Which metrics there are, and which series of them are looked at.
const MOST_EMPTY = 60; // seconds of a chart

const app = {
  history: new History(),
  categories: [],
  metrics: new Map(), // by name
  state: null,
  node: "", // the one node that is looked at
  words: [], // of the search
  pairs: [], // labels of the search: [key, value, exactly]
  span: 300, // seconds that charts show
  withData: false,
  paused: false,
  version: 0, // of what is looked at
};

// Where charts begin: as long ago as was chosen, or where what was read begins.
function beginning() {
  const { t } = app.history.now;
  return t - Math.min(app.span, Math.max(MOST_EMPTY, t - app.history.shots[0].t));
}

const OTHER = { key: "other", title: "Other", tells: "What else this process measures" };

function enterContract(contract) {
  app.categories = [...contract.categories, OTHER];
  for (const metric of contract.metrics) enterMetric(metric);
}

function enterMetric(metric) {
  metric.short = metric.name.replace(/^butterfly_(otel_)?/, "");
  metric.rate = metric.type === "counter";
  metric.text = [metric.name, metric.help, metric.category, ...metric.labels.map((l) => l.key)]
    .join(" ")
    .toLowerCase();
  app.metrics.set(metric.name, metric);
}

// Families that the contract does not have; true where there are new ones.
function enterOthers() {
  let some = false;
  for (const family of app.history.book.families.values()) {
    if (app.metrics.has(family.name) || !family.groups.size || family.name === "target_info") {
      continue;
    }
    const keys = new Set([...family.groups.values()].flatMap((group) => [...group.labels.keys()]));
    enterMetric({
      name: family.name,
      type: family.type,
      instrument: "",
      unit: /_seconds(_total)?$/.test(family.name) ? "s" : /_bytes(_total)?$/.test(family.name) ? "By" : "",
      help: family.help,
      category: "other",
      combine: "sum",
      labels: [...keys].map((key) => ({ key, help: "", kind: "open", values: [], budget: 0 })),
      limit: 0,
      query: "",
      alerts: [],
    });
    some = true;
  }
  return some;
}

const isOfNode = (labels, node) =>
  (labels.get("node_id") ?? labels.get("from_node") ?? labels.get("from_coordinator")) === node;

function isLookedAt(labels) {
  if (app.node && !isOfNode(labels, app.node)) return false;
  return app.pairs.every(([key, value, exactly]) => {
    const found = labels.get(key);
    if (found === undefined) return false;
    return exactly ? found === value : found.toLowerCase().includes(value);
  });
}

function isThere(group) {
  const { values } = app.history.now;
  return !Number.isNaN(at(values, group.count >= 0 ? group.count : group.at));
}

// The series of a metric that are looked at, those that have ended among them.
function groupsOf(name) {
  const family = app.history.book.families.get(name);
  if (!family) return [];
  const groups = [...family.groups.values()];
  return app.node || app.pairs.length ? groups.filter((each) => isLookedAt(each.labels)) : groups;
}

// The points of a metric, or of some of its series, that are named by `part`.
function pointsOf(metric, groups, part = "") {
  const key = `${app.version}|${metric.name}|${part}`;
  return app.history.track(key, metric.type, metric.combine, groups);
}

function lookAt(change) {
  Object.assign(app, change);
  app.version += 1;
  app.history.forget();
}

// Series by the value of a label, those with the highest values first; no more than `most`.
function byLabel(metric, groups, label, most) {
  const parts = new Map();
  for (const group of groups) {
    const value = group.labels.get(label) ?? "";
    if (!parts.has(value)) parts.set(value, []);
    parts.get(value).push(group);
  }
  const { values } = app.history.now;
  const size = (part) =>
    part.reduce((sum, group) => sum + (at(values, group.count >= 0 ? group.count : group.at) || 0), 0);
  const sorted = [...parts].map(([value, part]) => [value, part, size(part)]);
  sorted.sort((a, b) => b[2] - a[2] || byName(a[0], b[0]));
  return sorted.slice(0, most).sort((a, b) => byName(a[0], b[0]));
}

function latest(points, key = "value") {
  return points.length ? points[points.length - 1][key] : null;
}

// The value that is shown of a metric: [number, unit, what else is to be said].
function current(metric, groups) {
  const there = groups.filter(isThere);
  if (!there.length) return null;
  const points = pointsOf(metric, groups);
  if (metric.type === "histogram") {
    const overall = app.history.overall(there);
    const p99 = latest(points, "p99") ?? overall.p99;
    const [number, unit] = figure(p99, metric.unit);
    const median = said(latest(points, "p50") ?? overall.p50, metric.unit);
    const rate = latest(points);
    const pace = rate ? `${digits(rate)}/s` : `${figure(overall.total, "")[0]} in all`;
    return [number, unit, p99 === null ? "nothing observed" : `p99 · p50 ${median} · ${pace}`];
  }
  if (metric.type === "counter") {
    const total = `total ${said(app.history.total(there), metric.unit)}`;
    const rate = latest(points);
    if (rate === null) return [...figure(app.history.total(there), metric.unit), "in all"];
    return [...figure(rate, metric.unit, true), total];
  }
  const many = there.length;
  const how = many === 1 ? "" : { sum: "sum of", mean: "mean of", max: "highest of" }[metric.combine];
  return [...figure(latest(points), metric.unit), how ? `${how} ${many}` : ""];
}
