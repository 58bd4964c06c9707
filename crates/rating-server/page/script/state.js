// What the page knows: questions that are held, and what is still to be sent.

const state = {
  who: null,
  // The last reply of the server.
  shown: null,
  // Questions in hand; the first is on the screen.
  questions: [],
  // Calls that the server has not acknowledged, in order. Their answers are not lost while the page is open.
  unsent: [],
  sending: false,
  // Why nothing can be sent now.
  gone: null,
  tags: new Set(),
  // Ranks so far, by place on the screen.
  ranks: [],
};

const listeners = [];

function whenever(listener) {
  listeners.push(listener);
}

function changed() {
  for (const listener of listeners) listener();
}

function current() {
  return state.questions[0] ?? null;
}

function body() {
  const held = state.questions.map(({ id, images }) => ({ id, images }));
  return { who: state.who, window: here, held };
}

// Takes over a reply. Questions that were answered here, and wait to be sent, are not asked again.
function take(reply) {
  const before = current()?.id;
  state.shown = reply;
  const answered = new Set(state.unsent.filter((entry) => entry.name === "answer").map((entry) => entry.body.answer.id));
  const fresh = reply.questions.filter(({ id }) => !answered.has(id));
  // What is on the screen stays there, unless an undo put another in front.
  const kept = state.undoing ? [] : state.questions.filter(({ id }) => fresh.some((question) => question.id === id));
  state.undoing = false;
  const known = new Set(kept.map(({ id }) => id));
  state.questions = [...kept, ...fresh.filter(({ id }) => !known.has(id))];
  if (current()?.id !== before) begin();
  changed();
}

function begin() {
  state.tags.clear();
  state.ranks = (current()?.images ?? []).map(() => 0);
}

function send(name, extra) {
  state.unsent.push({ name, body: extra });
  changed();
  work();
}

const pause = (milliseconds) => new Promise((done) => {
  setTimeout(done, milliseconds);
  wake = done;
});
let wake = () => {};

// Sends what waits, in order, until it is acknowledged.
async function work() {
  if (state.sending) return;
  state.sending = true;
  let failures = 0;
  while (state.unsent.length > 0) {
    const { name, body: extra } = state.unsent[0];
    // What waits to be sent is held, too, but not asked for again.
    const resolved = name === "undo" ? { undo: state.shown?.last ?? undefined } : extra;
    if (name === "undo" && resolved.undo === undefined) {
      state.unsent.shift();
      continue;
    }
    try {
      const reply = await call(name, { ...body(), ...resolved });
      failures = 0;
      state.gone = null;
      state.unsent.shift();
      if (name === "undo") state.undoing = state.unsent.length === 0;
      take(reply);
    } catch (problem) {
      if (problem.refused) {
        state.unsent.shift();
        state.gone = `This was refused: ${problem.refused}`;
        announce(state.gone);
        // The question that could not be answered is asked for again, if it is still to be asked.
        if (state.unsent.every((entry) => entry.name !== "state") && name !== "state") state.unsent.push({ name: "state", body: {} });
        changed();
        continue;
      }
      if (!problem.gone) throw problem;
      const kept = state.unsent.filter((entry) => entry.name === "answer").length;
      const what = kept === 0 ? "" : kept === 1 ? " Your last answer is kept and will be sent." : ` Your last ${kept} answers are kept and will be sent.`;
      if (failures === 0) announce(`No connection: ${problem.gone}.${what}`);
      state.gone = `No connection to moa (${problem.gone}).${what} Trying again …`;
      changed();
      await pause(PAUSES[Math.min(failures, PAUSES.length - 1)]);
      failures += 1;
    }
  }
  state.sending = false;
  changed();
}

// Answers the question on the screen; the next one is there at once.
function answer(outcome) {
  const question = state.questions.shift();
  if (!question) return;
  const tags = [...state.tags];
  begin();
  send("answer", { answer: { id: question.id, images: question.images, outcome, tags } });
}

function undo() {
  const last = state.unsent.at(-1);
  // Not sent yet: nobody needs to know. What is on its way is undone at the server.
  if (last?.name === "answer" && state.unsent.length > 1) {
    state.unsent.pop();
    const { id, images } = last.body.answer;
    state.questions.unshift({ id, images, prompt: last.body.prompt ?? promptOf(images) });
    begin();
    announce("undone");
    changed();
    return;
  }
  if (state.unsent.length === 0 && !state.shown?.last) {
    announce("there is nothing to undo");
    return;
  }
  announce("undone");
  send("undo", {});
}

const prompts = new Map();

function remember(questions) {
  for (const { images, prompt } of questions) for (const image of images) prompts.set(image, prompt);
}

function promptOf(images) {
  return prompts.get(images[0]) ?? "";
}
