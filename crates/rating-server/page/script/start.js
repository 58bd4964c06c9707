// Light and dark, the rater's name, then the questions.

function showTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const show = () => {
    const theme = chosen ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    byId("theme").textContent = theme === "dark" ? "☀" : "☾";
    byId("theme").setAttribute("aria-label", theme === "dark" ? "light theme" : "dark theme");
  };
  byId("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  show();
}

// The name is asked once, and kept by the browser where it allows that.
const NAME = "moa rater";

function keptName() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

function keepName(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // Then it is asked again next time.
  }
}

async function enter(name) {
  state.who = name.trim();
  try {
    take(await call("state", body()));
    return null;
  } catch (problem) {
    state.who = null;
    return problem.refused ?? problem.gone ?? "something failed";
  }
}

function askName() {
  const dialog = byId("name");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  byId("name-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = await enter(byId("who").value);
    byId("wrong").textContent = problem ?? "";
    byId("wrong").hidden = !problem;
    if (problem) return;
    keepName(state.who);
    dialog.close();
    byId("prompt").focus();
  });
  dialog.showModal();
  byId("who").focus();
}

whenever(() => remember(state.questions));
whenever(showQuestion);
whenever(showTags);
whenever(showProgress);
whenever(showHelp);

showTheme();
listenToTouch();
addEventListener("keydown", pressed);
byId("open-help").addEventListener("click", () => byId("help").showModal());
byId("open-progress").addEventListener("click", () => byId("progress").showModal());
addEventListener("online", () => wake());
addEventListener("pagehide", () => { if (state.who) leave({ who: state.who, window: here }); });
addEventListener("pageshow", (event) => { if (event.persisted && state.who) send("state", {}); });
// A sign of life, so that the questions in hand stay here, and others' progress shows.
setInterval(() => { if (state.who && !document.hidden && state.unsent.length === 0) send("state", {}); }, 15000);

(async () => {
  const name = keptName();
  if (!name || (await enter(name))) askName();
  else byId("prompt").focus();
})();
