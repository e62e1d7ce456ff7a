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

function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.001) return value.toExponential(1);
  if (size < 1) return String(Number(value.toPrecision(2)));
  if (size < 10) return String(Number(value.toFixed(2)));
  return size < 100 ? String(Number(value.toFixed(1))) : String(Math.round(value));
}

function scaled(value, steps, base) {
  let at = 0;
  let left = value;
  while (Math.abs(left) >= base * 0.9995 && at < steps.length - 1) {
    left /= base;
    at += 1;
  }
  return [digits(left), steps[at]];
}

function duration(seconds) {
  const size = Math.abs(seconds);
  if (size === 0) return ["0", "s"];
  if (size < 1e-6) return [digits(seconds * 1e9), "ns"];
  if (size < 1e-3) return [digits(seconds * 1e6), "µs"];
  if (size < 1) return [digits(seconds * 1e3), "ms"];
  if (size < 120) return [digits(seconds), "s"];
  return size < 7200 ? [digits(seconds / 60), "min"] : [digits(seconds / 3600), "h"];
}

// [number, unit] of a value; `rate` where it is an increase a second.
function figure(value, unit, rate = false) {
  if (value === null || value === undefined || Number.isNaN(value)) return ["–", ""];
  if (!Number.isFinite(value)) return [value > 0 ? "+∞" : "−∞", ""];
  const each = rate ? "/s" : "";
  if (unit === "By") {
    const [number, step] = scaled(value, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 1024);
    return [number, step + each];
  }
  if (unit === "s" && !rate) return duration(value);
  if (unit === "1" && !rate) return [digits(value * 100), "%"];
  const [number, step] = scaled(value, ["", "k", "M", "G", "T", "P"], 1000);
  const word = unitWord(unit);
  const shown = unit === "Cel" ? "°C" : word + each;
  return [number + (step ? " " + step : ""), shown];
}

// The same in few characters, for an axis.
function short(value, unit, rate = false) {
  const [number, word] = figure(value, unit, rate);
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
