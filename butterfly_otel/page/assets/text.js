// Reads Prometheus' text format. What a line is about is found once and remembered by the line's
// beginning, so that reading the same metrics again is looking up strings.
const ESCAPES = { "\\\\": "\\", "\\n": "\n", '\\"': '"' };
const LABEL = /([^\s,={}"]+|"(?:[^"\\]|\\.)*")\s*=\s*"((?:[^"\\]|\\.)*)"/g;

const unescaped = (text) => text.replace(/\\[\\n"]/g, (each) => ESCAPES[each]);

function labelsOf(text) {
  const labels = new Map();
  for (const [, key, value] of text.matchAll(LABEL)) {
    labels.set(key[0] === '"' ? unescaped(key.slice(1, -1)) : key, unescaped(value));
  }
  return labels;
}

function number(text) {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

// Where the value of a line begins; quotes may hide braces and spaces.
function valueAt(line) {
  const open = line.indexOf("{");
  const space = line.indexOf(" ");
  if (open < 0 || (space >= 0 && space < open)) return space;
  let quoted = false;
  for (let at = open + 1; at < line.length; at += 1) {
    const each = line[at];
    if (quoted && each === "\\") at += 1;
    else if (each === '"') quoted = !quoted;
    else if (!quoted && each === "}") return at + 1;
  }
  return -1;
}

class Book {
  constructor() {
    this.families = new Map(); // by name, in the order of the text
    this.places = new Map(); // the beginning of a line to the index of its value
    this.size = 0;
  }

  // The values of a text, by index; NaN for what is not in it.
  read(text) {
    const values = new Array(this.size).fill(NaN);
    let family = null;
    let from = 0;
    while (from < text.length) {
      let to = text.indexOf("\n", from);
      if (to < 0) to = text.length;
      const line = text.slice(from, to);
      from = to + 1;
      if (line.startsWith("# ")) family = this._comment(line, family);
      else if (line) {
        const last = line.lastIndexOf(" ");
        let head = line.slice(0, last);
        let place = this.places.get(head);
        let value = line.slice(last + 1);
        if (place === undefined) {
          const at = valueAt(line);
          if (at < 0) continue;
          head = line.slice(0, at).trimEnd();
          value = line.slice(at).trim().split(" ")[0]; // a timestamp may follow
          place = this.places.get(head);
          if (place === undefined) place = this._enter(head, family);
        }
        values[place] = number(value);
      }
    }
    return Float64Array.from(values);
  }

  _comment(line, family) {
    const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) || [];
    if (!kind) return family;
    let known = this.families.get(name);
    if (!known) {
      known = { name, type: "untyped", help: "", groups: new Map() };
      this.families.set(name, known);
    }
    if (kind === "TYPE") known.type = rest;
    else known.help = unescaped(rest);
    return known;
  }

  _enter(head, current) {
    const open = head.indexOf("{");
    let name = (open < 0 ? head : head.slice(0, open)).trim();
    let text = open < 0 ? "" : head.slice(open + 1, head.lastIndexOf("}"));
    const quoted = /^\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/.exec(text);
    if (!name && quoted) {
      name = unescaped(quoted[1]);
      text = text.slice(quoted[0].length);
    }
    const labels = labelsOf(text);
    const place = this.size;
    this.size += 1;
    this.places.set(head, place);
    const family =
      current && name.startsWith(current.name) ? current : this._comment(`# HELP ${name} `, null);
    const part = name.slice(family.name.length);
    const bound = part === "_bucket" ? number(labels.get("le")) : null;
    if (part === "_bucket") labels.delete("le");
    const key = JSON.stringify([...labels]);
    let group = family.groups.get(key);
    if (!group) {
      group = { key, labels, at: -1, count: -1, sum: -1, bounds: [], buckets: [] };
      family.groups.set(key, group);
    }
    if (bound !== null) {
      group.bounds.push(bound);
      group.buckets.push(place);
    } else if (part === "_count" && family.type !== "counter") group.count = place;
    else if (part === "_sum" && family.type !== "counter") group.sum = place;
    else group.at = place;
    return place;
  }
}
