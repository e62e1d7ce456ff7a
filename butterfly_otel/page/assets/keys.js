// The keyboard: everything that the mouse can do.
function listenToKeys({ search, pause, theme, help }) {
  const shown = () => [...document.querySelectorAll(".card:not([hidden]) .name")];

  function step(by) {
    const names = shown().filter((each) => each.offsetParent);
    if (!names.length) return;
    const here = names.indexOf(document.activeElement);
    const next = here < 0 ? 0 : Math.min(names.length - 1, Math.max(0, here + by));
    names[next].focus();
    names[next].closest(".card").scrollIntoView({ block: "nearest" });
  }

  function category(number) {
    const links = [...document.querySelectorAll("#categories a:not([hidden])")];
    if (links[number - 1]) links[number - 1].click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && event.target === search) {
      search.value = "";
      search.dispatchEvent(new Event("input"));
      search.blur();
      return;
    }
    if (typing || document.querySelector("dialog[open]")) return;
    const actions = {
      "/": () => search.focus(),
      j: () => step(1), ArrowDown: () => (document.activeElement.matches(".name") ? step(1) : null),
      k: () => step(-1), ArrowUp: () => (document.activeElement.matches(".name") ? step(-1) : null),
      p: pause, t: theme, "?": help,
    };
    const action = /^[1-9]$/.test(event.key) ? () => category(Number(event.key)) : actions[event.key];
    if (!action) return;
    if (action() !== null) event.preventDefault();
  });
}
