const PATIENCE = 20_000; // milliseconds that an answer may take

// Asks this node for what is at an address beside the page.
function ask(path) {
  const url = new URL(path, location.href);
  // With a password in the page's own address, browsers refuse to ask; they send it all the same.
  url.username = url.password = "";
  // A process that was stopped accepts, and never answers.
  return fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
}

// Runbooks and the reference: Markdown, shown as text with some structure.
class Documents {
  constructor(dialog) {
    this.dialog = dialog;
    this.body = dialog.querySelector(".body");
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  async open(href) {
    let text;
    try {
      const answer = await ask(href);
      text = await answer.text();
      if (!answer.ok) text = `# Not here\n\n${text}`;
    } catch {
      text = "# Not here\n\nThis node does not answer.";
    }
    const [first, ...rest] = text.split("\n");
    this.dialog.querySelector("h2").textContent = first.replace(/^#+ /, "").replaceAll("`", "");
    this.body.replaceChildren(...markdown(rest.join("\n")));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }
}

function documentLink(href, text) {
  return make("a", {
    href, text,
    onclick: (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      documents.open(href);
    },
  });
}

function markdown(text) {
  const blocks = [];
  for (const block of text.split(/(```[\s\S]*?```)/)) {
    if (block.startsWith("```")) {
      const code = block.replace(/^```.*\n/, "").replace(/\n?```$/, "");
      blocks.push(make("pre", { tabindex: "0", text: code }));
      continue;
    }
    for (const part of block.split(/\n\s*\n/)) {
      if (part.trim()) blocks.push(structured(part.trim()));
    }
  }
  return blocks;
}

function structured(part) {
  const lines = part.split("\n");
  if (part.startsWith("#")) return make("h3", { text: part.replace(/^#+ /, "").replaceAll("`", "") });
  if (/^(\d+\.|-) /.test(part)) {
    const items = part.split(/\n(?=(?:\d+\.|-) )/).map((each) => each.replace(/^(\d+\.|-) /, ""));
    return make(/^\d/.test(part) ? "ol" : "ul", {}, ...items.map((each) => make("li", {}, ...inline(each))));
  }
  if (lines.length > 1 && lines[0].startsWith("|")) {
    const cells = (line) => line.slice(1, -1).split("|").map((each) => each.trim());
    const row = (line, tag) => make("tr", {}, ...cells(line).map((each) => make(tag, {}, ...inline(each))));
    return make(
      "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
      make(
        "table", {},
        make("thead", {}, row(lines[0], "th")),
        make("tbody", {}, ...lines.slice(2).map((each) => row(each, "td"))),
      ),
    );
  }
  return make("p", {}, ...inline(part));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\))/).map((part) => {
    if (part.startsWith("`")) return make("code", { text: part.slice(1, -1) });
    if (part.startsWith("**")) return make("strong", { text: part.slice(2, -2) });
    const [, name, target] = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(part) || [];
    const runbook = /^(\w+)\.md$/.exec(target || "");
    if (runbook) return documentLink(`-/runbooks/${runbook[1]}`, name);
    return name || part.replaceAll("\n", " ");
  });
}
