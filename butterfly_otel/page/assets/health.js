// How the node's own parts are: exporters, collectors, budgets, and what was refused.
const REFUSALS = [
  ["butterfly_otel_label_violations_total", "labels that broke the contract"],
  ["butterfly_otel_invalid_measurements_total", "values that no metric can hold"],
  ["butterfly_otel_callback_errors_total", "callbacks that raised"],
  ["butterfly_otel_scrape_omissions_total", "omissions from scrapes"],
  ["butterfly_otel_rejected_points_total", "points that a receiver rejected"],
];
const MOST_BUDGETS = 4;

class Health {
  constructor(root) {
    this.root = root;
    this.known = "";
  }

  update() {
    const boxes = [
      this._parts("Exporters", app.state.exporters, "nothing leaves this process"),
      this._parts("Collectors", app.state.collectors, "no hardware is read"),
      this._budgets(),
      this._refusals(),
    ];
    if (app.state.processes.length > 1) boxes.push(this._processes());
    // Only what has changed is made anew: a reader's place in it would be lost.
    const text = JSON.stringify(boxes.map((each) => each.key));
    if (text === this.known) return;
    this.known = text;
    this.root.replaceChildren(...boxes.map((each) => each.make()));
  }

  _parts(title, parts, none) {
    const bad = parts.filter((each) => each.ok === false).length;
    const open = parts.filter((each) => each.ok === null).length;
    const summary = !parts.length
      ? none
      : bad
        ? `${bad} of ${parts.length} in trouble`
        : open
          ? `${parts.length - open} of ${parts.length} work`
          : "all work";
    const errorsAge = parts.map((each) => each.errorAt && ago(app.state.now - each.errorAt));
    const rows = () =>
      parts.map((part, index) =>
        make(
          "li", {},
          mark(part.ok, "not known yet"),
          make("span", { class: "part" }, make("b", { text: part.name }), make("span", { text: part.tells })),
          part.error
            ? make("span", { class: "error", text: `${errorsAge[index]} ago: ${part.error}` })
            : null,
        ),
      );
    return box(title, summary, bad ? false : parts.length ? true : "none", rows, [parts, errorsAge]);
  }

  _budgets() {
    const uses = [];
    for (const metric of app.metrics.values()) {
      const family = app.history.book.families.get(metric.name);
      const groups = family ? [...family.groups.values()].filter(isThere) : [];
      if (!groups.length) continue;
      for (const { key, kind, budget } of metric.labels) {
        if (kind === "closed" || !budget) continue;
        uses.push([metric, key, usedValues(groups, key), budget]);
      }
      if (metric.limit > 1) uses.push([metric, "series", groups.length, metric.limit]);
    }
    // A small vocabulary is in use as a whole, and nothing to worry about.
    const top = uses
      .filter(([metric, what]) => what !== "series" || metric.labels.some((each) => each.budget))
      .sort((a, b) => b[2] / b[3] - a[2] / a[3])
      .slice(0, MOST_BUDGETS);
    const full = top.filter(([, , used, most]) => used >= most).length;
    const near = top.filter(([, , used, most]) => used >= 0.9 * most).length;
    const summary = full ? `${full} used up` : near ? `${near} nearly used up` : "room in all";
    const rows = () =>
      top.map(([metric, what, used, most]) =>
        make(
          "li", { class: "use" },
          make(
            "button", { type: "button", class: "plain", onclick: () => details.open(metric.name) },
            ...breakable(metric.short), " · ", make("b", { text: what }),
          ),
          meter(used, most, `${metric.name}, ${what}: ${used} of ${most} in use`),
          make("span", { class: "of", text: `${used} / ${most}` }),
        ),
      );
    const key = top.map(([metric, what, used]) => [metric.name, what, used]);
    return box("Budgets", summary, full ? false : near ? null : true, rows, key);
  }

  _refusals() {
    const found = REFUSALS.map(([name, tells]) => {
      const family = app.history.book.families.get(name);
      return [name, tells, family ? app.history.total([...family.groups.values()]) || 0 : 0];
    });
    const some = found.filter(([, , count]) => count > 0);
    const total = some.reduce((sum, [, , count]) => sum + count, 0);
    const summary = total ? `${figure(total, "")[0]} since it began` : "none";
    const rows = () =>
      (some.length ? some : [["", "No measurement has been mended or refused.", null]]).map(
        ([name, tells, count]) =>
          make(
            "li", {},
            mark(count === null ? true : null),
            name
              ? make("button", {
                type: "button", class: "plain", text: `${figure(count, "")[0]} ${tells}`,
                onclick: () => details.open(name),
              })
              : make("span", { text: tells }),
          ),
      );
    return box("Violations", summary, total ? null : true, rows, some);
  }

  _processes() {
    const { processes } = app.state;
    const rows = () =>
      processes.map(({ ok, name, tells }) =>
        make(
          "li", {}, mark(ok, "did not answer in time"),
          make("span", { class: "part" }, make("b", { text: name }), make("span", { text: tells })),
        ),
      );
    const late = processes.filter((each) => each.ok === null).length;
    const summary = late
      ? `${late} of ${processes.length} did not answer in time`
      : `${processes.length} make up this node`;
    return box("Processes", summary, late ? null : true, rows, processes, "many");
  }
}

function box(title, summary, ok, rows, key, kind = "") {
  const made = () =>
    make(
      "article", { class: "box" },
      make("header", {}, mark(ok), make("h3", { text: title }), make("span", { text: summary })),
      // What is long scrolls, which a keyboard can do as well.
      make("ul", kind ? { class: kind, tabindex: "0", "aria-label": title } : {}, ...rows()),
    );
  return { key: [title, summary, ok, key], make: made };
}

// A mark that does not rely on its colour alone.
function mark(ok, open = "to be watched") {
  const marks = {
    true: ["ok", "✓", "works"],
    false: ["bad", "✕", "in trouble"],
    none: ["idle", "–", "nothing there"],
  };
  const [name, symbol, tells] = marks[ok] || ["wait", "•", open];
  return make("i", { class: `mark ${name}`, role: "img", "aria-label": tells, text: symbol });
}
