// The nodes that the metrics tell of, where there are several: a simulated cluster, say.
const COLUMNS = [
  { title: "Tokens", metric: "butterfly_tokens_processed_total" },
  { title: "Waiting", metric: "butterfly_tasks_queued" },
  { title: "CPU", metric: "butterfly_cpu_usage_ratio", full: 1 },
  { title: "Memory", metric: "butterfly_memory_allocated_bytes" },
  { title: "GPU", metric: "butterfly_gpu_utilization_ratio", full: 1 },
  { title: "Hottest", metric: "butterfly_gpu_temperature_celsius", warn: 80, bad: 85 },
  { title: "Reputation", metric: "butterfly_reputation_score", low: 0.5 },
];
const MOST_NODES = 60;

class Nodes {
  constructor(root, select) {
    this.root = root;
    this.select = select;
    this.rows = new Map();
    this.body = make("tbody");
    this.note = make("p", { class: "note", hidden: true });
    const heads = COLUMNS.map(({ title }) => make("th", { scope: "col", text: title }));
    root.append(
      make(
        "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of nodes" },
        make(
          "table", { class: "nodes" },
          make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "Node" }), ...heads)),
          this.body,
        ),
      ),
      this.note,
    );
  }

  names() {
    const names = new Set();
    for (const { metric } of [...COLUMNS, { metric: "butterfly_consensus_term" }]) {
      const family = app.history.book.families.get(metric);
      for (const group of family ? family.groups.values() : []) {
        if (group.labels.get("node_id") && isThere(group)) names.add(group.labels.get("node_id"));
      }
    }
    return [...names].sort(byName);
  }

  update(names) {
    this.root.hidden = names.length < 2;
    if (this.root.hidden) return;
    const shown = names.slice(0, MOST_NODES);
    this.note.hidden = shown.length === names.length;
    this.note.textContent = `${MOST_NODES} of ${names.length} nodes; choose another one above`;
    const rows = shown.map((name) => this._row(name));
    const known = [...this.body.children];
    if (rows.length !== known.length || rows.some((each, at) => each.root !== known[at])) {
      this.body.replaceChildren(...rows.map((each) => each.root));
    }
    shown.forEach((name, index) => this._fill(name, rows[index]));
  }

  _row(name) {
    let row = this.rows.get(name);
    if (row) return row;
    const button = make("button", {
      type: "button", class: "plain", text: name,
      onclick: () => this.select(app.node === name ? "" : name),
    });
    const cells = COLUMNS.map(() => {
      const bar = make("i", { class: "share" });
      const text = make("span");
      return { root: make("td", {}, bar, text), bar, text };
    });
    const root = make(
      "tr", {}, make("th", { scope: "row" }, button), ...cells.map((each) => each.root),
    );
    row = { root, cells, button };
    this.rows.set(name, row);
    return row;
  }

  _fill(name, row) {
    row.button.setAttribute("aria-pressed", String(app.node === name));
    row.root.classList.toggle("chosen", app.node === name);
    COLUMNS.forEach((column, index) => {
      const metric = app.metrics.get(column.metric);
      const family = app.history.book.families.get(column.metric);
      const cell = row.cells[index];
      const groups = family
        ? [...family.groups.values()].filter((each) => each.labels.get("node_id") === name)
        : [];
      const value = metric && groups.some(isThere)
        ? latest(pointsOf(metric, groups, `node=${name}`))
        : null;
      cell.text.textContent = value === null ? "–" : inCell(value, metric);
      cell.root.className =
        value === null ? "none"
          : value >= column.bad || value < column.low ? "bad"
            : value >= column.warn ? "warn" : "";
      const share = column.full && value !== null ? Math.min(1, value / column.full) : 0;
      cell.bar.style.width = `${(share * 100).toFixed(0)}%`;
    });
  }
}

// The head of the column says what is counted.
function inCell(value, { unit, rate }) {
  if (!unit.startsWith("{")) return said(value, unit, rate);
  return figure(value, unit, rate)[0] + (rate ? "/s" : "");
}
