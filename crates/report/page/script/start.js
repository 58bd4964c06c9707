// Light and dark, then every part of the page.

function showTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  let chosen = null;
  const show = () => {
    const theme = chosen ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === "dark" ? "☀ Light" : "☾ Dark";
    button.setAttribute("aria-label", theme === "dark" ? "light theme" : "dark theme");
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  show();
}

// The first point to be looked at: the surest on the front that is not the base.
state.selected = (byImportance().find((point) => point.kind !== "base") ?? data.points[0])?.id ?? null;

showTheme();
for (const show of [showSummary, showFront, showTable, showDetails, showCompare, showMixer, showCurves, showJudges, showUsage, showOrigin, showSections]) show();
showEverything();
// Every card may be open when it is printed.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
