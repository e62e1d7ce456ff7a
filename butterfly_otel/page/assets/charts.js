// Charts as SVG: a sparkline in each card, and larger ones with axes that tell what is under the
// pointer.
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Text is only ever set as text: nothing that was measured is read as HTML.
function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((each) => each !== null && each !== undefined));
  return element;
}

const present = (value) => value !== null && value !== undefined && Number.isFinite(value);

// A path through the points that are there; where one is missing, so is the line.
function path(points, key, x, y) {
  let text = "";
  let pen = "M";
  for (const point of points) {
    const value = point[key];
    if (!present(value)) {
      pen = "M";
      continue;
    }
    text += `${pen}${x(point.t).toFixed(1)},${y(value).toFixed(1)}`;
    pen = "L";
  }
  return text;
}

// What is under that path, with the same gaps.
function area(points, key, x, y, floor) {
  const runs = [[]];
  for (const point of points) {
    if (present(point[key])) runs[runs.length - 1].push(point);
    else runs.push([]);
  }
  return runs
    .filter((run) => run.length > 1)
    .map((run) => {
      const line = run.map((p) => `${x(p.t).toFixed(1)},${y(p[key]).toFixed(1)}`).join("L");
      const last = x(run[run.length - 1].t).toFixed(1);
      return `M${x(run[0].t).toFixed(1)},${floor}L${line}L${last},${floor}Z`;
    })
    .join("");
}

// Round bounds around values, which begin at zero where that is not far away.
function bounds(values, unit) {
  const most = Math.max(...values.map(Math.abs), 0);
  // Bytes are counted in powers of 1024, so round numbers are other ones.
  const scale = unit === "By" && most > 0 ? 1024 ** Math.max(0, Math.floor(Math.log(most) / Math.log(1024))) : 1;
  // A share of something is from nothing to all of it.
  const share = unit === "1";
  const [low, high, step] = rounded([...values, ...(share ? [0] : [])].map((each) => each / scale));
  const full = share && most <= 1 ? 1 : Infinity;
  return [low * scale, Math.min(high, full) * scale, step * scale];
}

function rounded(values) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (!values.length) [low, high] = [0, 1];
  if (low > 0 && low < high * 0.75) low = 0;
  if (low === high) {
    if (low === 0) high = 1;
    else [low, high] = low > 0 ? [0, high * 1.25] : [low * 1.25, 0];
  }
  const step = 10 ** Math.floor(Math.log10((high - low) / 2));
  const nice = [1, 2, 2.5, 5, 10].map((each) => each * step).find((s) => (high - low) / s <= 4);
  return [Math.floor(low / nice) * nice, Math.ceil(high / nice) * nice, nice];
}

class Spark {
  constructor(classes = "") {
    this.fill = draw("path", { class: "fill" });
    this.second = draw("path", { class: "line second" });
    this.line = draw("path", { class: "line" });
    this.svg = draw(
      "svg",
      { class: `spark ${classes}`, viewBox: "0 0 240 44", "aria-hidden": "true" },
      this.fill,
      this.second,
      this.line,
    );
    this.svg.setAttribute("preserveAspectRatio", "none");
  }

  update(points, keys, from, to) {
    const values = points.flatMap((point) => keys.map((key) => point[key]).filter(present));
    const low = Math.min(0, ...values);
    const high = Math.max(...values, low + 1e-9);
    const x = (t) => ((t - from) / (to - from)) * 240;
    const y = (value) => 42 - ((value - low) / (high - low)) * 39;
    this.fill.setAttribute("d", area(points, keys[0], x, y, 44));
    this.line.setAttribute("d", path(points, keys[0], x, y));
    this.second.setAttribute("d", keys[1] ? path(points, keys[1], x, y) : "");
  }
}

class Chart {
  constructor(label) {
    this.svg = draw("svg", { class: "chart", role: "img", "aria-label": label });
    this.tip = make("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.root = make("div", { class: "plot" }, this.svg, this.tip);
    this.label = label;
    this.root.addEventListener("pointermove", (event) => this._point(event.offsetX));
    this.root.addEventListener("pointerleave", () => this._leave());
    this.data = null;
  }

  // lines: [{name, points, key, tone}], by whose unit the axis is labelled
  update(all, unit, rate, from, to) {
    const lines = all.map((each) => ({ ...each, points: each.points.filter((p) => p.t >= from) }));
    this.data = { lines, unit, rate, from, to };
    const width = this.root.clientWidth || 320;
    const height = this.root.clientHeight || 120;
    const values = lines.flatMap((each) => each.points.map((p) => p[each.key]).filter(present));
    const [low, high, step] = bounds(values, unit);
    const left = 54;
    const x = (t) => left + ((t - from) / (to - from)) * (width - left - 6);
    const y = (value) => height - 18 - ((value - low) / (high - low)) * (height - 26);
    this.x = x;
    const parts = [];
    for (let tick = low; tick <= high + step / 2; tick += step) {
      const at = y(tick).toFixed(1);
      parts.push(
        draw("line", { class: "grid", x1: left, x2: width - 6, y1: at, y2: at }),
        draw("text", {
          class: "tick", x: left - 6, y: Number(at) + 3.5, "text-anchor": "end",
          text: short(Number(tick.toPrecision(12)), unit, rate, step),
        }),
      );
    }
    const minutes = (to - from) / 60;
    for (const share of [0, 0.5]) {
      // To the half minute: the chart grows while its beginning stays what was read first.
      const exact = minutes * (1 - share);
      const label = exact >= 1 ? Math.round(exact * 2) / 2 : Math.round(exact * 60) / 60;
      parts.push(
        draw("text", {
          class: "tick", x: x(from + (to - from) * share), y: height - 4,
          "text-anchor": share ? "middle" : "start",
          text: label >= 1 ? `−${digits(label)} min` : `−${digits(label * 60)} s`,
        }),
      );
    }
    parts.push(
      draw("text", { class: "tick", x: width - 6, y: height - 4, "text-anchor": "end", text: "now" }),
    );
    lines.forEach((each, index) => {
      if (index === 0 && lines.length === 1) {
        const d = area(each.points, each.key, x, y, y(Math.max(low, Math.min(0, high))));
        parts.push(draw("path", { class: `fill ${each.tone}`, d }));
      }
      parts.push(draw("path", { class: `line ${each.tone}`, d: path(each.points, each.key, x, y) }));
    });
    this.cross = draw("line", { class: "cross", y1: 6, y2: height - 18, x1: -9, x2: -9 });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts, this.cross);
    const last = lines.map((each) => {
      const point = each.points[each.points.length - 1];
      return `${each.name} ${said(point ? point[each.key] : null, unit, rate)}`;
    });
    this.svg.setAttribute("aria-label", `${this.label}: ${last.slice(0, 6).join(", ")}`);
    if (!this.tip.hidden) this._point(this.pointer);
  }

  _point(pixel) {
    if (!this.data) return;
    this.pointer = pixel;
    const { lines, unit, rate, to } = this.data;
    const times = lines.flatMap((each) => each.points.map((point) => point.t));
    if (!times.length) return;
    const near = (best, t) =>
      Math.abs(this.x(t) - pixel) < Math.abs(this.x(best) - pixel) ? t : best;
    const t = times.reduce(near);
    this.cross.setAttribute("x1", this.x(t));
    this.cross.setAttribute("x2", this.x(t));
    const rows = lines.map((each) => {
      const point = each.points.find((one) => one.t === t);
      return make(
        "div", {},
        make("i", { class: `key ${each.tone}` }),
        make("span", { text: each.name }),
        make("b", { text: said(point ? point[each.key] : null, unit, rate) }),
      );
    });
    const when = to - t < 1 ? "now" : `${ago(to - t)} ago`;
    this.tip.replaceChildren(make("div", { class: "when", text: when }), ...rows);
    this.tip.hidden = false;
    const width = this.root.clientWidth;
    const room = this.tip.offsetWidth + 12;
    const place = this.x(t) + room > width ? this.x(t) - room : this.x(t) + 12;
    this.tip.style.transform = `translate(${Math.max(0, place)}px, 8px)`;
  }

  _leave() {
    this.tip.hidden = true;
    if (this.cross) for (const end of ["x1", "x2"]) this.cross.setAttribute(end, -9);
  }
}
