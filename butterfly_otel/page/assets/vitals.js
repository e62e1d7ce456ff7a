// The large charts at the top: how it goes, in a dozen lines.
const TONES = ["t1", "t2", "t3", "t4", "t5"];

// name: of the chart; metric; by: a label that makes lines; quantiles: p50 and p99 instead.
const VITALS = [
  { title: "Requests", metric: "butterfly_requests_total", by: "status", bad: "error" },
  { title: "Request duration", metric: "butterfly_request_duration_seconds", quantiles: true },
  { title: "Tokens", metric: "butterfly_tokens_processed_total", by: "model" },
  { title: "Tasks waiting", metric: "butterfly_tasks_queued" },
  { title: "CPU", metric: "butterfly_cpu_usage_ratio" },
  { title: "GPU utilisation", metric: "butterfly_gpu_utilization_ratio" },
  { title: "Hottest GPU", metric: "butterfly_gpu_temperature_celsius" },
  { title: "Memory", metric: "butterfly_memory_allocated_bytes", by: "pool" },
  { title: "Network sent", metric: "butterfly_network_bytes_sent", by: "protocol" },
  { title: "Connection latency", metric: "butterfly_connection_latency_seconds", quantiles: true },
  { title: "Layer computation", metric: "butterfly_layer_compute_duration_seconds", quantiles: true },
  { title: "Pipeline stalls", metric: "butterfly_pipeline_stalls_total", by: "reason" },
];
const MOST_VITALS = 8;

class Vitals {
  constructor(root) {
    this.root = root;
    this.panels = new Map();
  }

  update(from, to) {
    const shown = VITALS.filter(({ metric }) => {
      return app.metrics.has(metric) && groupsOf(metric).some(isThere);
    }).slice(0, MOST_VITALS);
    const panels = shown.map((vital) => this._panel(vital));
    const known = [...this.root.children];
    if (panels.length !== known.length || panels.some((each, index) => each.root !== known[index])) {
      this.root.replaceChildren(...panels.map((each) => each.root));
    }
    this.root.parentElement.hidden = !panels.length;
    shown.forEach((vital, index) => this._fill(vital, panels[index], from, to));
  }

  _panel(vital) {
    let panel = this.panels.get(vital.metric);
    if (panel) return panel;
    const chart = new Chart(vital.title);
    const number = make("span", { class: "number" });
    const unit = make("span", { class: "unit" });
    const legend = make("div", { class: "legend" });
    const root = make(
      "article", { class: "panel" },
      make(
        "header", {},
        make(
          "h3", {},
          make("button", {
            type: "button", class: "plain", text: vital.title,
            onclick: () => details.open(vital.metric),
          }),
        ),
        make("p", { class: "figure" }, number, unit),
      ),
      chart.root,
      legend,
    );
    panel = { root, chart, number, unit, legend };
    this.panels.set(vital.metric, panel);
    return panel;
  }

  _fill(vital, panel, from, to) {
    const metric = app.metrics.get(vital.metric);
    const lines = linesOf(metric, vital);
    const [number, unit] = current(metric, groupsOf(metric.name)) || ["–", ""];
    panel.number.textContent = number;
    panel.unit.textContent = vital.quantiles ? `${unit} p99` : unit;
    panel.chart.update(lines, metric.unit, metric.rate, from, to);
    showLegend(panel.legend, lines);
  }
}

function linesOf(metric, { by, bad, quantiles }) {
  const groups = groupsOf(metric.name);
  if (quantiles || metric.type === "histogram") {
    const points = pointsOf(metric, groups);
    return [
      { name: "p99", points, key: "p99", tone: "t1" },
      { name: "p50", points, key: "p50", tone: "t2" },
    ];
  }
  if (!by) return [{ name: metric.short, points: pointsOf(metric, groups), key: "value", tone: "t1" }];
  const parts = byLabel(metric, groups, by, TONES.length);
  const tones = [...TONES];
  return parts.map(([value, part]) => ({
    name: value || "(empty)",
    points: pointsOf(metric, part, `${by}=${value}`),
    key: "value",
    tone: value === bad ? "bad" : tones.shift(),
  }));
}

function showLegend(root, lines) {
  const wanted = lines.length > 1 ? lines : [];
  const text = JSON.stringify(wanted.map((each) => [each.name, each.tone]));
  if (root.dataset.text === text) return;
  root.dataset.text = text;
  root.replaceChildren(
    ...wanted.map(({ name, tone }) => {
      return make("span", {}, make("i", { class: `key ${tone}` }), make("span", { text: name }));
    }),
  );
}
