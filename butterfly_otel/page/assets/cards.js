// A card for each metric, in its category.
class Cards {
  constructor(root, nav) {
    this.root = root;
    this.nav = nav;
    this.cards = new Map();
    this.sections = new Map();
    this.visible = new Set();
    this.watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.visible.add(target.dataset.metric);
        else this.visible.delete(target.dataset.metric);
      }
      if (entries.some((each) => each.isIntersecting)) this.update();
    }, { rootMargin: "300px" });
  }

  build() {
    for (const { key, title, tells } of app.categories) {
      if (this.sections.has(key)) continue;
      const id = `category-${key}`;
      const count = make("span", { class: "count" });
      const link = make("a", { href: `#${id}` }, make("span", { text: title }), count);
      this.nav.append(link);
      const grid = make("ul", { class: "cards" });
      const root = make(
        "section", { id, class: "category", "aria-labelledby": `${id}-title`, tabindex: "-1" },
        make("header", {}, make("h2", { id: `${id}-title`, text: title }), make("p", { text: tells })),
        grid,
      );
      this.root.append(root);
      this.sections.set(key, { root, grid, link, count });
    }
    for (const metric of app.metrics.values()) {
      if (!this.cards.has(metric.name)) this._build(metric);
    }
  }

  _build(metric) {
    const number = make("span", { class: "number", text: "–" });
    const unit = make("span", { class: "unit" });
    const more = make("span", { class: "more", text: "no data yet" });
    const spark = new Spark();
    const series = make("span", { class: "series" });
    const button = make(
      "button", { type: "button", class: "plain name", onclick: () => details.open(metric.name) },
    );
    button.append(...breakable(metric.short));
    const root = make(
      "li", { class: "card empty", "data-metric": metric.name },
      make("h3", {}, button),
      make("p", { class: "help", text: metric.help }),
      make("p", { class: "figure" }, number, unit),
      make("p", { class: "sub" }, more),
      spark.svg,
      make("p", { class: "foot" }, make("span", { class: "type", text: metric.type }), series),
    );
    root.addEventListener("click", (event) => {
      if (!event.target.closest("button") && !String(getSelection())) details.open(metric.name);
    });
    this.sections.get(metric.category).grid.append(root);
    this.watcher.observe(root);
    this.cards.set(metric.name, { root, number, unit, more, spark, series, button });
  }

  // Which cards there are, by what is searched for; how many.
  choose() {
    const counts = new Map();
    let shown = 0;
    for (const metric of app.metrics.values()) {
      const groups = groupsOf(metric.name).filter(isThere);
      const fits =
        app.words.every((word) => metric.text.includes(word) || hasValue(groups, word)) &&
        (groups.length > 0 || !(app.withData || app.pairs.length || app.node));
      this.cards.get(metric.name).root.hidden = !fits;
      if (fits) counts.set(metric.category, (counts.get(metric.category) || 0) + 1);
      if (fits) shown += 1;
    }
    for (const [key, section] of this.sections) {
      const count = counts.get(key) || 0;
      section.root.hidden = !count;
      section.link.hidden = !count;
      section.count.textContent = String(count);
    }
    return shown;
  }

  update() {
    if (!app.history.now) return;
    const { t } = app.history.now;
    // All of the text, which is searched and read aloud, and the lines that can be seen.
    for (const metric of app.metrics.values()) this._tell(metric);
    for (const name of this.visible) this._draw(app.metrics.get(name), beginning(), t);
  }

  _tell(metric) {
    const card = this.cards.get(metric.name);
    if (card.root.hidden) return;
    const groups = groupsOf(metric.name);
    const told = current(metric, groups);
    card.root.classList.toggle("empty", !told);
    const [number, unit, more] = told || ["–", "", "no data yet"];
    setText(card.number, number);
    setText(card.unit, unit);
    setText(card.more, more);
    const many = groups.filter(isThere).length;
    setText(card.series, many ? `${many} series` : "");
    card.series.classList.toggle("warn", metric.limit > 1 && many >= metric.limit * 0.9);
  }

  _draw(metric, from, to) {
    const card = this.cards.get(metric.name);
    if (card.root.hidden) return;
    const keys = metric.type === "histogram" ? ["p99", "p50"] : ["value"];
    const points = pointsOf(metric, groupsOf(metric.name)).filter((point) => point.t >= from);
    card.spark.update(points, keys, from, to);
  }
}

// A long name may break after an underscore, and nowhere else.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, make("wbr")]);
}

// What has not changed is left alone: a screen reader may be at it.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function hasValue(groups, word) {
  return groups.some((group) => {
    for (const value of group.labels.values()) if (value.toLowerCase().includes(word)) return true;
    return false;
  });
}
