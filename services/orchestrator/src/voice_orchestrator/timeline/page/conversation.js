// The call as a reader wants it: what was said in turn, and tables of what was decided and what went wrong.

const conversation = {
  cards: new Map(),

  begin() {
    const tabs = [
      ["Conversation", this.talk(), null],
      ["Barge-ins", this.bargeIns(), call.barge_ins.length],
      ["Failures", this.failures(), call.failures.length],
      ["Tools", this.tools(), call.tools.length],
    ];
    tabs.forEach(([name, panel, count], index) => {
      panel.id = `panel-${index}`;
      panel.setAttribute("role", "tabpanel");
      const tab = el("button", { type: "button", role: "tab", id: `tab-${index}`, "aria-controls": panel.id },
        count === null ? name : `${name} ${count}`);
      panel.setAttribute("aria-labelledby", tab.id);
      tab.onclick = () => this.open(index);
      tab.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) this.open((index + step + tabs.length) % tabs.length).focus();
      };
      $("tabs").append(tab);
      $("panels").append(panel);
    });
    this.open(0);
    selection.listeners.push(() => this.mark());
  },

  open(index) {
    [...$("panels").children].forEach((panel, each) => { panel.hidden = each !== index; });
    [...$("tabs").children].forEach((tab, each) => {
      tab.setAttribute("aria-selected", each === index);
      tab.tabIndex = each === index ? 0 : -1;
    });
    return $("tabs").children[index];
  },

  /** Shows which card or row is chosen, and brings it into its panel's view. */
  mark() {
    document.querySelectorAll(".chosen").forEach((each) => each.classList.remove("chosen"));
    const { kind, id } = selection;
    const turn = kind === "run" && runs.get(id).turn;
    const found = document.querySelector(`#panels [data-${kind}="${id}"]`)
      || (turn && document.querySelector(`#panels [data-turn="${turn}"]`));
    if (!found) return;
    found.classList.add("chosen");
    const index = [...$("panels").children].indexOf(found.closest("[role=tabpanel]"));
    this.open(index);
    const panel = $("panels").children[index];
    if (found.offsetTop < panel.scrollTop || found.offsetTop + found.offsetHeight > panel.scrollTop + panel.clientHeight) {
      panel.scrollTop = found.offsetTop - 8;
    }
  },

  // --- the conversation

  talk() {
    const list = el("ol", { class: "talk" });
    const lines = call.runs.filter((run) => !turns.has(run.turn));
    const entries = [...call.turns.map((turn) => [turn.from, this.turn(turn)]), ...lines.map((run) => [run.from, this.line(run)])];
    list.append(...entries.sort((a, b) => a[0] - b[0]).map(([, card]) => card));
    return el("div", {}, list);
  },

  turn(turn) {
    const mine = call.runs.filter((run) => run.turn === turn.id);
    const answer = runs.get(turn.run);
    const said = turn.words || (turn.committed ? "(no words)" : "(a sound that was no turn)");
    const card = el("li", { class: turn.committed ? "card" : "card noise", data: { turn: String(turn.id) } },
      el("div", { class: "head" }, chooser("turn", turn.id, `Turn ${turn.id}`), el("time", {}, clock(turn.from, 1)), ...badges(turn, answer)),
      el("p", { class: "caller" }, said));
    const body = el("div", { class: "answer" });
    for (const run of mine.filter((run) => run !== answer)) body.append(this.tried(run));
    if (answer) body.append(this.tried(answer));
    card.append(body);
    if (answer && answer.first_ms !== null) card.append(waterfall(answer));
    return card;
  },

  /** A run that answers no turn: a greeting, a question to a silent caller. */
  line(run) {
    return el("li", { class: "card" },
      el("div", { class: "head" }, chooser("run", run.id, spoken(run.kind)), el("time", {}, clock(run.from, 1))),
      this.tried(run));
  },

  tried(run) {
    const words = el("p", { class: "agent", data: { run: String(run.id), ending: run.ending } });
    words.append(chooser("run", run.id, `${run.id}`, { title: `run ${run.id}`, "aria-label": `run ${run.id}` }), " ", ...heardAndNot(run));
    if (run.ending !== "heard") words.append(" ", el("span", { class: `badge ${run.ending}` }, run.ending));
    return words;
  },

  // --- tables

  bargeIns() {
    const rows = call.barge_ins.map((each, id) => [
      chooser("bargein", id, clock(each.from)), `run ${each.run}`,
      el("span", { class: `badge ${each.outcome}` }, `${OUTCOMES[each.outcome][0]} ${spoken(each.outcome)}`), spoken(each.cause),
      decidedAfter(each), length(each.speech_ms),
    ]);
    return table("bargein", ["at", "over", "outcome", "cause", "decided", "speech"], rows, "The caller never spoke over the agent.");
  },

  failures() {
    const rows = call.failures.map((each, id) => [
      chooser("failure", id, clock(each.at)), spoken(each.stage), spoken(each.reason), each.detail,
      each.ended_call ? "ended the call" : "survived",
    ]);
    return table("failure", ["at", "stage", "reason", "detail", "effect"], rows, "Nothing failed.");
  },

  tools() {
    const rows = call.tools.map((tool) => [
      chooser("tool", tool.id, clock(tool.from)), tool.name, tool.arguments, tool.outcome, length(tool.to - tool.from),
    ]);
    return table("tool", ["at", "tool", "arguments", "outcome", "took"], rows, "No tool was called.", call.tools.map((tool) => tool.id));
  },
};

function table(kind, heads, rows, none, ids = rows.keys()) {
  if (!rows.length) return el("div", {}, el("p", { class: "none" }, none));
  const body = [...ids].map((id, index) => el("tr", { data: { [kind]: String(id) } }, ...rows[index].map((cell) => el("td", {}, cell))));
  return el("div", {}, el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...body)));
}

/** What was heard of a run, and the rest of it struck out. */
function heardAndNot(run) {
  if (!run.text) return [el("i", {}, "(nothing written)")];
  if (!run.heard) return [el("s", {}, run.text)];
  const rest = run.text.startsWith(run.heard) ? run.text.slice(run.heard.length) : "";
  if (!rest && run.heard !== run.text) return [run.heard, " ", el("s", {}, `of: ${run.text}`)];
  return rest.trim() ? [run.heard, el("s", {}, rest)] : [run.heard];
}

function badges(turn, answer) {
  const made = [];
  const badge = (text, kind = "", title = "") => made.push(el("span", { class: `badge ${kind}`, title }, text));
  if (turn.v2v_ms !== null) badge(`${turn.v2v_ms} ms`, "latency", "from the caller's last word to the agent's first, measured in the recording");
  else if (answer && answer.first_ms !== null) badge(`${answer.stages.reduce((sum, [, ms]) => sum + ms, 0)} ms`, "latency");
  if (turn.origin !== "speech") badge(turn.origin);
  if (answer && answer.speculation && answer.speculation.outcome === "kept") badge(`begun ${length(answer.speculation.lead_ms)} early`);
  const over = call.barge_ins.filter((each) => answer && each.run === answer.id);
  for (const each of over) badge(`${OUTCOMES[each.outcome][0]} ${spoken(each.outcome)}: ${spoken(each.cause)}`, each.outcome);
  if (call.failures.some((each) => each.turn === turn.id)) badge("failure", "interrupted");
  return made;
}
