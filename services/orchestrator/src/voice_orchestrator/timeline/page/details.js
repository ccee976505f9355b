// What is known of the chosen thing, in words.

const details = {
  begin() {
    selection.listeners.push(() => this.show());
  },

  show() {
    const made = this[selection.kind](selection.id);
    $("details").replaceChildren(...made);
  },

  turn(id) {
    const turn = turns.get(id), run = runs.get(turn.run);
    return [
      el("h3", {}, `Turn ${id}`, el("small", {}, ` ${clock(turn.from)} to ${clock(turn.to)}`)),
      facts([
        ["said", turn.words || "(no words)"],
        ["states", stateLine(turn.states)],
        ["recognised", turn.heard.map(([at, kind, text, used]) => `${clock(at)} ${kind}: ${text || "(no words)"}${used ? "" : " (too late)"}`)],
        ["end of turn", turn.scores.map(([at, score]) => `${clock(at)}: ${score.toFixed(2)}`)],
        ["transcription", turn.engines.transcription && timing(turn.engines.transcription)],
        ["answered by", run && chooser("run", run.id, `run ${run.id}, ${run.ending}`)],
        ["voice to voice", turn.v2v_ms !== null && `${turn.v2v_ms} ms, measured in the recording`],
      ]),
      ...(run && run.first_ms !== null ? [waterfall(run)] : []),
    ];
  },

  run(id) {
    const run = runs.get(id);
    const [prompt, cached, written] = run.engines.tokens || [];
    return [
      el("h3", {}, `Run ${id}: ${spoken(run.kind)}, ${run.ending}`, el("small", {}, ` ${clock(run.from)} to ${clock(run.to)}`)),
      facts([
        ["text", run.text || "(nothing written)"],
        ["heard", run.heard && run.heard !== run.text ? run.heard : run.heard ? "all of it" : "nothing"],
        ["states", stateLine(run.states)],
        ["played", run.played_ms !== null && length(run.played_ms)],
        ["answers", turns.has(run.turn) && chooser("turn", run.turn, `turn ${run.turn}`)],
        ["begun early", run.speculation && `${run.speculation.outcome}, ${length(run.speculation.lead_ms)} before; `
          + `${plural(run.speculation.tokens, "token")} and ${length(run.speculation.synthesised_ms)} of speech by then`],
        ["tokens", run.engines.tokens && `${prompt} in the prompt, ${cached} of them cached; ${written} written`],
        ["writing", run.engines.writing && timing(run.engines.writing)],
        ["synthesis", (run.engines.synthesis || []).map(timing)],
      ]),
      ...(run.first_ms !== null ? [waterfall(run)] : []),
    ];
  },

  bargein(id) {
    const each = call.barge_ins[id];
    return [
      el("h3", {}, `Caller speech over run ${each.run}`, el("small", {}, ` ${clock(each.from)}`)),
      facts([
        ["decided", `${spoken(each.outcome)} (${spoken(each.cause)}): ${OUTCOMES[each.outcome][2]}`],
        ["when", decidedAfter(each)],
        ["speech", length(each.speech_ms)],
        ["run", chooser("run", each.run, `run ${each.run}`)],
      ]),
    ];
  },

  failure(id) {
    const each = call.failures[id];
    return [
      el("h3", {}, `${spoken(each.stage)}: ${spoken(each.reason)}`, el("small", {}, ` ${clock(each.at)}`)),
      facts([
        ["detail", each.detail],
        ["caller is told", each.told],
        ["effect", each.ended_call ? "ended the call" : each.retryable ? "survived, may be tried again" : "survived"],
        ["run", runs.has(each.run) && chooser("run", each.run, `run ${each.run}`)],
        ["turn", turns.has(each.turn) && chooser("turn", each.turn, `turn ${each.turn}`)],
      ]),
    ];
  },

  tool(id) {
    const tool = call.tools.find((each) => each.id === id);
    return [
      el("h3", {}, `Tool ${tool.name}: ${tool.outcome}`, el("small", {}, ` ${clock(tool.from)} to ${clock(tool.to)}`)),
      facts([
        ["arguments", tool.arguments],
        ["result", tool.result],
        ["took", length(tool.to - tool.from)],
        ["run", runs.has(tool.run) && chooser("run", tool.run, `run ${tool.run}`)],
      ]),
    ];
  },

  event(id) {
    const [at, kind, run, text, phase, ignored, commands] = call.events.rows[id];
    return [
      el("h3", {}, `Event ${id + 1}: ${call.events.kinds[kind]}`, el("small", {}, ` ${clock(at)}, journal line ${id + 2}`)),
      facts([
        ["holds", text],
        ["run", runs.has(run) && chooser("run", run, `run ${run}`)],
        ["phase", call.events.phases[phase].toUpperCase()],
        ["ignored", call.events.ignored[ignored]],
        ["commands", commands],
      ]),
    ];
  },
};

/** A list of names and values; a value that is empty or false is left out, a list gets a line each. */
function facts(rows) {
  const list = el("dl");
  for (const [name, value] of rows) {
    if (!value || (Array.isArray(value) && !value.length)) continue;
    const lines = Array.isArray(value) ? value.map((line) => el("div", {}, line)) : [value];
    list.append(el("dt", {}, name), el("dd", {}, ...lines));
  }
  return list;
}

/** A button that chooses a thing. */
function chooser(kind, id, label, properties = {}) {
  return el("button", { type: "button", class: "link", onclick: () => selection.choose(kind, id), ...properties }, label);
}

const stateLine = (states) => states.map(([from, to, state]) => `${state} ${length(to - from)}`).join(" → ");
const timing = ([queued, first, all]) => `${first} ms to the first result, ${all} ms in all, ${queued} ms queued`;

/** How long caller speech over a run was undecided: the run was paused for so long. */
function decidedAfter(each) {
  if (each.at === null) return "never";
  return each.at > each.from ? `after ${length(each.at - each.from)}` : "at once";
}

/** The stages of a turn under each other, each beginning where the one before ended. */
function waterfall(run) {
  const total = Math.max(1, run.stages.reduce((sum, [, ms]) => sum + ms, 0));
  const table = el("table", { class: "waterfall" },
    el("caption", {}, `${total} ms from the caller's last word to the agent's first`));
  let before = 0;
  for (const [stage, ms] of run.stages) {
    const bar = el("span", { class: `stage ${stage}` });
    bar.style.marginLeft = `${(before / total) * 100}%`;
    bar.style.width = `${(ms / total) * 100}%`;
    table.append(el("tr", { class: ms ? "" : "none" },
      el("th", { scope: "row" }, spoken(stage)), el("td", { class: "ms" }, `${ms} ms`), el("td", { class: "track" }, bar)));
    before += ms;
  }
  return table;
}
