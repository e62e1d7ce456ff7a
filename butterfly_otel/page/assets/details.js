// One metric in full: a chart by any label, its series, its labels with their budgets.
const MOST_SERIES = 200;

class Details {
  constructor(dialog) {
    this.dialog = dialog;
    this.body = dialog.querySelector(".body");
    this.metric = null;
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => {
      this.metric = null;
      this.body.replaceChildren();
    });
  }

  open(name) {
    const metric = app.metrics.get(name);
    if (!metric) return;
    this.metric = metric;
    this.by = "";
    this._build(metric);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.update();
  }

  _build(metric) {
    this.dialog.querySelector("h2").textContent = metric.name;
    this.number = make("span", { class: "number" });
    this.unit = make("span", { class: "unit" });
    this.more = make("span", { class: "more" });
    this.chart = new Chart(metric.name);
    this.legend = make("div", { class: "legend" });
    this.select = make(
      "select", { id: "by", onchange: () => { this.by = this.select.value; this.update(); } },
      make("option", { value: "", text: "together" }),
      ...metric.labels.map(({ key }) => make("option", { value: key, text: key })),
    );
    this.series = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Series" });
    this.count = make("h3");
    this.budgets = make("div", { class: "budgets" });
    const kind = [...new Set([metric.type, metric.instrument, unitWord(metric.unit)])].filter(Boolean).join(" · ");
    this.body.replaceChildren(
      make("p", { class: "help", text: metric.help }),
      make("p", { class: "kind", text: kind }),
      make("p", { class: "figure" }, this.number, this.unit, this.more),
      make(
        "div", { class: "by" },
        make("label", { for: "by", text: metric.type === "histogram" ? "p99 by" : "Lines by" }),
        this.select,
      ),
      this.chart.root,
      this.legend,
      this.count,
      this.series,
      ...this._labels(metric),
      ...this._links(metric),
    );
  }

  _labels(metric) {
    if (!metric.labels.length) return [];
    return [make("h3", { text: "Labels" }), this.budgets];
  }

  _links(metric) {
    const parts = [];
    if (metric.query) {
      parts.push(make("h3", { text: "An example query" }), make("pre", { tabindex: "0", text: metric.query }));
    }
    const links = [
      link(`metrics?name[]=${encodeURIComponent(metric.name)}`, "As Prometheus sees it"),
    ];
    if (metric.category !== "other") {
      links.unshift(documentLink(`-/reference/${encodeURIComponent(metric.name)}`, "Reference"));
    }
    const runbooks = metric.alerts.map(({ name, summary }) => {
      return make(
        "li", {},
        documentLink(`-/runbooks/${encodeURIComponent(name)}`, name),
        make("span", { text: ` ${summary}` }),
      );
    });
    if (runbooks.length) {
      parts.push(make("h3", { text: "Alerts and their runbooks" }), make("ul", { class: "links" }, ...runbooks));
    }
    parts.push(make("p", { class: "more-links" }, ...links));
    return parts;
  }

  update() {
    const metric = this.metric;
    if (!metric || !app.history.now) return;
    const { t } = app.history.now;
    const groups = groupsOf(metric.name);
    const [number, unit, more] = current(metric, groups) || ["–", "", "no data yet"];
    this.number.textContent = number;
    this.unit.textContent = unit;
    this.more.textContent = more;
    const key = metric.type === "histogram" ? "p99" : "value";
    const lines = this.by
      ? byLabel(metric, groups, this.by, TONES.length).map(([value, part], index) => ({
        name: value || "(empty)", key, tone: TONES[index],
        points: pointsOf(metric, part, `${this.by}=${value}`),
      }))
      : linesOf(metric, {});
    this.chart.update(lines, metric.unit, metric.rate, beginning(), t);
    showLegend(this.legend, lines);
    this._series(metric, groups.filter(isThere));
    this._budgets(metric, groups.filter(isThere));
  }

  _series(metric, groups) {
    const limit = metric.limit > 1 ? ` of at most ${metric.limit}` : "";
    this.count.textContent = `Series: ${groups.length}${limit}`;
    this.series.hidden = !groups.length;
    const keys = metric.labels.map(({ key }) => key);
    for (const group of groups) {
      for (const key of group.labels.keys()) if (!keys.includes(key)) keys.push(key);
    }
    const { values } = app.history.now;
    const histogram = metric.type === "histogram";
    const heads = histogram ? ["Count", "p50", "p99"] : ["Value"];
    const size = (group) => at(values, histogram ? group.count : group.at);
    const sorted = [...groups].sort((a, b) => size(b) - size(a)).slice(0, MOST_SERIES);
    const rows = sorted.map((group) => {
      const numbers = histogram
        ? this._quantiles(group, metric)
        : [said(size(group), metric.unit)];
      return make(
        "tr", {},
        ...keys.map((key) => make("td", { class: "value", text: group.labels.get(key) ?? "" })),
        ...numbers.map((text) => make("td", { class: "number", text })),
      );
    });
    this.series.replaceChildren(
      make(
        "table", {},
        make(
          "thead", {},
          make(
            "tr", {},
            ...keys.map((key) => make("th", { scope: "col", text: key })),
            ...heads.map((text) => make("th", { scope: "col", class: "number", text })),
          ),
        ),
        make("tbody", {}, ...rows),
      ),
    );
  }

  _quantiles(group, metric) {
    const { total, p50, p99 } = app.history.overall([group]);
    return [figure(total, "")[0], said(p50, metric.unit), said(p99, metric.unit)];
  }

  _budgets(metric, groups) {
    this.budgets.replaceChildren(
      ...metric.labels.map((label) => {
        const used = usedValues(groups, label.key);
        const most = label.kind === "closed" ? label.values.length : label.budget;
        return make(
          "div", { class: "budget" },
          make("code", { text: label.key }),
          make("span", { text: label.help || " " }),
          most ? meter(used, most, `${label.key}: ${used} of ${most} values in use`) : null,
          make("span", { class: "of", text: most ? `${used} / ${most}` : `${used} values` }),
        );
      }),
    );
  }
}

function usedValues(groups, key) {
  const values = new Set(groups.map((group) => group.labels.get(key)));
  values.delete(undefined);
  values.delete("other");
  return values.size;
}

function meter(used, most, label) {
  const part = make("i");
  part.style.width = `${Math.min(100, (used / most) * 100).toFixed(1)}%`;
  const root = make("span", {
    class: "meter", role: "meter", "aria-label": label,
    "aria-valuemin": 0, "aria-valuemax": most, "aria-valuenow": Math.min(used, most),
  }, part);
  return root;
}

const link = (href, text) => make("a", { href, text, target: "_blank", rel: "noopener" });
