// Asks the node how it is, again and again, and shows it.
const $ = (id) => document.getElementById(id);
const details = new Details($("details"));
const documents = new Documents($("document"));
const health = new Health($("health"));
const vitals = new Vitals($("vitals"));
const nodes = new Nodes($("nodes"), chooseNode);
const cards = new Cards($("metrics"), $("categories"));
const LONG = 5; // how much slower it is asked while nobody can see the page

let timer = null;
let failures = 0;

async function look() {
  clearTimeout(timer);
  let every = 2;
  try {
    const answer = await ask("-/state");
    if (answer.status === 401 || answer.status === 403) throw new Error("sign in again: reload this page");
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const state = await answer.json();
    every = state.every;
    if (!app.categories.length) await begin();
    failures = 0;
    take(state);
  } catch (error) {
    failures += 1;
    every = Math.min(30, 2 * failures);
    tellProblem(error instanceof TypeError || error.name === "TimeoutError" ? "no answer" : error.message);
  }
  if (!app.paused) timer = setTimeout(look, every * 1000 * (document.hidden ? LONG : 1));
}

async function begin() {
  const answer = await ask("-/contract");
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
  enterContract(await answer.json());
  cards.build();
}

function take(state) {
  app.state = state;
  if (state.error) tellProblem(state.error);
  else {
    document.body.classList.remove("stale");
    // The node may have told the same before: to somebody else who looks.
    if (app.history.now?.t !== state.now) app.history.add(state.now, state.text);
    state.text = "";
    tellStatus(app.paused ? "wait" : "ok", app.paused ? "paused" : "live");
  }
  if (!app.history.now) return;
  if (enterOthers()) cards.build();
  show();
}

function show() {
  if (!app.state || !app.history.now) return;
  showNode();
  const names = nodes.names();
  showNodes(names);
  health.update();
  vitals.update(beginning(), app.history.now.t);
  nodes.update(names);
  const shown = cards.choose();
  const all = app.metrics.size;
  $("found").textContent = shown === all ? `${all} metrics` : `${shown} of ${all} metrics`;
  $("nothing").hidden = shown > 0;
  $("quiet").hidden = countSeries() > 1;
  cards.update();
  details.update();
  document.body.dataset.samples = String(app.history.shots.length);
}

function showNode() {
  const { node, uptime } = app.state;
  const stale = document.body.classList.contains("stale");
  document.title = `${stale ? "✕ " : ""}${node.id} · Butterfly`;
  $("node-id").textContent = node.id;
  $("node-id").title = node.id;
  $("node-role").textContent = node.role;
  const facts = { ...node.about, up: ago(uptime), series: String(countSeries()) };
  const key = JSON.stringify(Object.keys(facts));
  const root = $("facts");
  if (root.dataset.key !== key) {
    root.dataset.key = key;
    root.replaceChildren(
      ...Object.keys(facts).map((each) =>
        make("div", {}, make("dt", { text: each }), make("dd", {}))),
    );
  }
  Object.values(facts).forEach((value, index) => {
    root.children[index].lastChild.textContent = value;
  });
}

function countSeries() {
  let count = 0;
  for (const { groups } of app.history.book.families.values()) {
    for (const group of groups.values()) if (isThere(group)) count += 1;
  }
  return count;
}

function showNodes(names) {
  const select = $("node");
  select.parentElement.hidden = names.length < 2;
  const wanted = ["", ...names];
  const known = [...select.options].map((each) => each.value);
  if (wanted.length !== known.length || wanted.some((each, index) => each !== known[index])) {
    select.replaceChildren(
      ...wanted.map((value) => make("option", { value, text: value || "all nodes" })),
    );
  }
  select.value = app.node;
}

function chooseNode(node) {
  lookAt({ node });
  show();
}

function tellStatus(kind, text) {
  const status = $("status");
  if (status.textContent !== text) status.textContent = text;
  status.className = `status ${kind}`;
}

// What is shown is what was read last, and looks like it.
function tellProblem(text) {
  document.body.classList.add("stale");
  const last = app.history.now;
  const when = last ? ` since ${new Date(last.t * 1000).toLocaleTimeString([], { hour12: false })}` : "";
  tellStatus("bad", text === "no answer" ? text + when : text);
  if (app.state) showNode();
}

function search() {
  const words = [];
  const pairs = [];
  for (const word of $("search").value.match(/[^\s"]*"[^"]*"|\S+/g) || []) {
    const [, key, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(word) || [];
    const exact = /^"(.*)"$/.exec(value || "");
    if (key && value) pairs.push(exact ? [key, exact[1], true] : [key, value.toLowerCase(), false]);
    else words.push(word.toLowerCase());
  }
  lookAt({ words, pairs });
  show();
}

function pause() {
  app.paused = !app.paused;
  $("pause").setAttribute("aria-pressed", String(app.paused));
  if (app.paused) {
    clearTimeout(timer);
    tellStatus("wait", "paused");
  } else look();
}

function theme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  setTheme(dark ? "light" : "dark");
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("butterfly-theme", name);
  } catch {
    // It is forgotten, then.
  }
}

function start() {
  try {
    const kept = localStorage.getItem("butterfly-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch {
    // There is none to remember.
  }
  const help = () => $("help").showModal();
  $("search").addEventListener("input", search);
  $("pause").addEventListener("click", pause);
  $("theme").addEventListener("click", theme);
  $("keys").addEventListener("click", help);
  $("node").addEventListener("change", () => chooseNode($("node").value));
  $("with-data").addEventListener("change", () => {
    app.withData = $("with-data").checked;
    show();
  });
  $("span").addEventListener("change", () => {
    app.span = Number($("span").value);
    show();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !app.paused) look();
  });
  addEventListener("resize", () => requestAnimationFrame(show));
  listenToKeys({ search: $("search"), pause, theme, help });
  look();
}

start();
