// Numbers, units and times as people read them.
const WORDS = { By: "bytes", s: "seconds", Cel: "°C", 1: "ratio" };

function plural(word) {
  if (/[^aeiou]y$/.test(word)) return word.slice(0, -1) + "ies";
  return word + (/(s|x|ch|sh)$/.test(word) ? "es" : "s");
}

// What a unit of the contract is called: "{request}" is "requests".
function unitWord(unit) {
  const noted = /^\{(.*)\}$/.exec(unit || "");
  return noted ? plural(noted[1]) : WORDS[unit] || unit || "";
}

// `step` is the least difference that has to be seen.
function digits(value, step = 0) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (step && size >= 1) {
    return String(Number(value.toFixed(Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + 1)))));
  }
  if (size < 0.001) return value.toExponential(1);
  if (size < 1) return String(Number(value.toPrecision(2)));
  if (size < 10) return String(Number(value.toFixed(2)));
  return size < 100 ? String(Number(value.toFixed(1))) : String(Math.round(value));
}

function scaled(value, steps, base, step) {
  let at = 0;
  let left = value;
  while (Math.abs(left) >= base * 0.9995 && at < steps.length - 1) {
    left /= base;
    at += 1;
  }
  return [digits(left, step / base ** at), steps[at]];
}

function duration(seconds, step) {
  const size = Math.abs(seconds);
  const inUnits = (scale, word) => [digits(seconds * scale, step * scale), word];
  if (size === 0) return ["0", "s"];
  if (size < 1e-6) return inUnits(1e9, "ns");
  if (size < 1e-3) return inUnits(1e6, "µs");
  if (size < 1) return inUnits(1e3, "ms");
  if (size < 120) return inUnits(1, "s");
  return size < 7200 ? inUnits(1 / 60, "min") : inUnits(1 / 3600, "h");
}

// [number, unit] of a value; `rate` where it is an increase a second, `step` as in digits().
function figure(value, unit, rate = false, step = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return ["–", ""];
  if (!Number.isFinite(value)) return [value > 0 ? "+∞" : "−∞", ""];
  const each = rate ? "/s" : "";
  if (unit === "By") {
    const [number, prefix] = scaled(value, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 1024, step);
    return [number, prefix + each];
  }
  if (unit === "s" && !rate) return duration(value, step);
  if (unit === "1" && !rate) return [digits(value * 100, step * 100), "%"];
  const [number, prefix] = scaled(value, ["", "k", "M", "G", "T", "P"], 1000, step);
  const word = unitWord(unit);
  const shown = unit === "Cel" ? "°C" : word + each;
  return [number + (prefix ? " " + prefix : ""), shown];
}

// The same in few characters, for an axis.
function short(value, unit, rate = false, step = 0) {
  const [number, word] = figure(value, unit, rate, step);
  if (unit === "By" || (!rate && (unit === "s" || unit === "1"))) {
    return number + (word === "%" ? "%" : " " + word.replace("/s", ""));
  }
  return unit === "Cel" ? number + "°" : number.replace(" ", "");
}

function said(value, unit, rate = false) {
  const [number, word] = figure(value, unit, rate);
  return word === "%" ? number + "%" : word ? `${number} ${word}` : number;
}

function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) {
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  }
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// Numbers in names as numbers: node-2 comes before node-10.
const byName = new Intl.Collator("en", { numeric: true }).compare;
