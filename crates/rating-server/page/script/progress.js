// How far rating is, and what was learned.

function showProgress() {
  const { shown } = state;
  if (!shown) return;
  const { progress } = shown;
  const pending = state.unsent.filter(({ name, body }) => name === "answer" && body.answer.outcome !== "Skip").length;
  const answered = progress.answered + pending;
  const [meter, goal] = [byId("meter"), progress.goal];
  meter.hidden = !goal;
  if (goal) {
    byId("fill").style.width = `${Math.min(100, (100 * answered) / goal)}%`;
    meter.setAttribute("aria-valuenow", Math.min(answered, goal));
    meter.setAttribute("aria-valuemax", goal);
  }
  byId("count").textContent = goal ? `${answered} of ${goal}` : `${answered} answer${answered === 1 ? "" : "s"}`;
  byId("title").textContent = shown.title;
  const mine = progress.raters.find(({ name }) => name === state.who);
  byId("rater").textContent = mine ? `${state.who} · ${mine.answered} answer${mine.answered === 1 ? "" : "s"}` : state.who ?? "";
  byId("pace").textContent = mine?.per_minute ? `${Math.round(mine.per_minute)} a minute` : "";
  byId("gone").textContent = state.gone ?? "";
  byId("gone").hidden = !state.gone;
  showRaters(progress);
  showLearned(progress);
}

function showRaters(progress) {
  const consistency = progress.raters.some(({ repeats }) => repeats > 0);
  const heads = ["Rater", "Answers", "Skipped", "A minute", ...(consistency ? ["Same again"] : [])];
  const row = (rater) => element("tr", { class: rater.name === state.who ? "you" : null },
    element("td", {}, rater.name + (rater.name === state.who ? " (you)" : rater.present ? " · here now" : "")),
    element("td", {}, String(rater.answered)),
    element("td", {}, String(rater.skipped)),
    element("td", {}, rater.per_minute ? rater.per_minute.toFixed(0) : "–"),
    consistency ? element("td", {}, rater.repeats > 0 ? `${percent(rater.itself)} of ${rater.repeats}` : "–") : null);
  const table = element("table", {},
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, progress.raters.map(row)));
  byId("raters").replaceChildren(element("div", { class: "scroll" }, table));
  if (progress.compared > 0) {
    byId("raters").append(element("p", { class: "dim" },
      `Raters agree in ${percent(progress.between)} of ${progress.compared} comparisons of the same images.`));
  }
}

function showLearned(progress) {
  const nothing = progress.learned === "" && progress.figures.length === 0;
  const figures = progress.figures.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  byId("learned").replaceChildren(
    element("p", { class: nothing ? "dim" : null }, nothing ? "Nothing yet: answer a few more questions." : progress.learned),
    element("dl", { class: "figures" }, figures));
}
