// What is drawn in which lane. A lane draws what is visible and says where it drew what, for pointing and clicking.

const STAGE_COLOURS = {
  endpointing: "stage1", transcription: "stage2", first_token: "stage3",
  first_clause: "stage4", synthesis: "stage5", delivery: "stage6",
};
const OUTCOMES = { // sign, colour, what it means
  confirmed: ["✕", "bad", "the run ended"], rejected: ["▸", "good", "the run went on"],
  timed_out: ["…", "warn", "undecided, the run went on"], paused: ["?", "warn", "never decided"],
};
const TEXT = "12px system-ui, sans-serif", SMALL = "11px system-ui, sans-serif";

/** How much of a bar's colour shows; words stay readable on "fill". */
const ALPHA = { solid: 1, fill: 0.42, tint: 0.2, hatch: 0.1 };

/** Draws into one lane. `box` is the lane, `hits` collects {x0, x1, y0, y1, tip, choose}. */
class Brush {
  constructor(context, box, hits) {
    Object.assign(this, { context, box, hits });
    this.msPerPixel = (view.to - view.from) / box.width;
  }

  x(ms) {
    return (ms - view.from) / this.msPerPixel;
  }

  visible(from, to = from) {
    return to >= view.from - 20 * this.msPerPixel && from <= view.to + 20 * this.msPerPixel;
  }

  /** A bar from `from` to `to`; styles: those of ALPHA, "hatch" and "outline". */
  bar(from, to, colour, style = "solid", { top = 0, height = this.box.height } = {}) {
    const context = this.context, x0 = Math.max(this.x(from), -4), x1 = Math.min(this.x(to), this.box.width + 4);
    const y = this.box.y + top, width = Math.max(x1 - x0, 1);
    context.save();
    context.fillStyle = context.strokeStyle = colours[colour];
    if (style in ALPHA) {
      context.globalAlpha = ALPHA[style];
      context.fillRect(x0, y, width, height);
      context.globalAlpha = 1;
    }
    if (style === "hatch" && width > 3) {
      context.beginPath();
      context.rect(x0, y, width, height);
      context.clip();
      context.beginPath();
      for (let x = x0 - height - ((x0 - height) % 6); x < x1; x += 6) {
        context.moveTo(x, y + height);
        context.lineTo(x + height, y);
      }
      context.globalAlpha = 0.45;
      context.stroke();
    }
    if (style === "outline") {
      context.setLineDash([3, 2]);
      context.strokeRect(x0 + 0.5, y + 0.5, Math.max(width - 1, 0.5), height - 1);
    }
    context.restore();
  }

  /** Text inside a stretch, cut where the stretch ends; kept in sight while any of it is. */
  text(from, to, text, colour, { top = 0, height = this.box.height, font = TEXT, pad = 4 } = {}) {
    const x0 = Math.max(this.x(from), 0) + pad, room = Math.min(this.x(to), this.box.width) - x0 - 2;
    if (room < 8) return;
    const context = this.context;
    context.font = font;
    context.fillStyle = colours[colour];
    let shown = text.slice(0, Math.ceil(room / 3));
    if (context.measureText(shown).width > room) {
      while (shown.length && context.measureText(`${shown}…`).width > room) shown = shown.slice(0, -Math.ceil(shown.length / 12));
      if (!shown) return;
      shown += "…";
    }
    context.fillText(shown, x0, this.box.y + top + height / 2 + 0.5);
  }

  /** `frame`: it is framed when it is chosen. */
  hit(from, to, tip, kind, id, { top = 0, height = this.box.height, frame = true } = {}) {
    const x0 = this.x(from), x1 = this.x(to), slack = Math.max(0, (8 - (x1 - x0)) / 2);
    this.hits.push({
      x0: x0 - slack, x1: x1 + slack, y0: this.box.y + top, y1: this.box.y + top + height, tip, kind, id,
    });
    if (frame && kind && selection.is(kind, id)) {
      this.context.strokeStyle = colours.ink;
      this.context.lineWidth = 2;
      this.context.strokeRect(Math.max(x0, -4) - 1, this.box.y + top, Math.min(x1, this.box.width + 4) - Math.max(x0, -4) + 2, height);
      this.context.lineWidth = 1;
    }
  }
}

// --- the lanes

const timeLane = {
  title: "", height: 20,
  draw(brush) {
    const steps = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000];
    const step = steps.find((each) => each / brush.msPerPixel >= 80) || steps.at(-1);
    const { context, box } = brush;
    context.font = SMALL;
    for (let ms = Math.ceil(view.from / step) * step; ms <= view.to; ms += step) {
      context.fillStyle = colours.dim;
      context.fillText(clock(ms, step < 100 ? 2 : step < 1000 ? 1 : 0), brush.x(ms) + 4, box.y + box.height / 2);
      context.fillStyle = colours.line;
      context.fillRect(Math.round(brush.x(ms)), box.y, 1, context.canvas.height);
    }
  },
};

function waveLane(side, title, colour) {
  const gain = waves[side] && waves[side].gain > 1.05 ? ` ×${waves[side].gain.toFixed(1)}` : "";
  return {
    title: title + gain, height: waves[side] ? 66 : 24,
    draw(brush) {
      const { context, box } = brush;
      const [stretches, tip] = side === 0 ? [[...call.speech, ...call.button], "VAD: speech"] : [[], ""];
      for (const [from, to, state] of stretches.filter(([from, to]) => brush.visible(from, to))) {
        brush.bar(from, to, state === "pressed" ? "warn" : colour, "tint");
        brush.bar(from, to, state === "pressed" ? "warn" : colour, "solid", { top: box.height - 3, height: 3 });
        brush.hit(from, to, `${state === "pressed" ? "button pressed" : tip}, ${clock(from)} to ${clock(to)} (${length(to - from)})`);
      }
      context.fillStyle = colours.line;
      context.fillRect(0, box.y + box.height / 2, box.width, 1);
      drawWave(context, waves[side], box, view.from, view.to, colours[colour]);
    },
  };
}

const turnLane = {
  title: "turns", height: 24,
  draw(brush) {
    for (const turn of call.turns) {
      if (!brush.visible(turn.from, turn.to)) continue;
      for (const [from, to, state] of turn.states) {
        brush.bar(from, to, "caller", { speaking: "fill", trailing: "hatch", committed: "outline" }[state]);
      }
      if (!turn.states.length) brush.bar(turn.from, turn.from, "caller");
      const said = turn.words || (turn.committed ? "(no words)" : "(not a turn)");
      brush.text(turn.from, turn.to, `${turn.id}  ${said}`, "ink");
      for (const [at, score] of turn.scores) {
        if (!brush.visible(at)) continue;
        brush.bar(at, at + brush.msPerPixel * 2, "warn", "solid", { top: brush.box.height - 7, height: 7 });
        brush.hit(at, at, `end of turn scored ${score.toFixed(2)} at ${clock(at)}`, "turn", turn.id, { frame: false });
      }
      brush.hit(turn.from, turn.to, `turn ${turn.id}: ${said}\n${clock(turn.from)} to ${clock(turn.to)}`, "turn", turn.id);
    }
  },
};

const recognised = call.turns.flatMap((turn) => turn.heard.map((heard) => [...heard, turn.id])).sort((a, b) => a[0] - b[0]);
const recognisedLane = {
  title: "recognised", height: 18,
  draw(brush) {
    recognised.forEach(([at, kind, text, used, turn], index) => {
      const next = index + 1 < recognised.length ? recognised[index + 1][0] : view.end;
      if (!brush.visible(at, next)) return;
      const until = Math.min(next, at + 6000);
      brush.bar(at, at + brush.msPerPixel * 2, "caller");
      brush.text(at, until, text || "(no words)", used ? "ink" : "dim", {
        font: kind === "partial" ? `italic ${SMALL}` : SMALL, pad: 5,
      });
      const late = used ? "" : "\ntoo late: not used";
      brush.hit(at, at + 4 * brush.msPerPixel, `${kind} of turn ${turn} at ${clock(at)}: ${text || "(no words)"}${late}`, "turn", turn, { frame: false });
    });
  },
};

const agentWords = call.runs.flatMap((run) => run.words.map((word) => [...word, run.id])).sort((a, b) => a[0] - b[0]);
const wordLane = {
  title: "words", height: 18,
  draw(brush) {
    const readable = brush.msPerPixel < 30;
    let painted = -Infinity;
    for (const [from, to, word, heard, run] of agentWords) {
      // Thousands of words in a few pixels are painted once.
      if (!brush.visible(from, to) || brush.x(to) <= painted) continue;
      painted = Math.ceil(brush.x(to));
      brush.bar(from, to, heard ? "agent" : "bad", "tint");
      if (!readable) continue;
      brush.bar(from, from + brush.msPerPixel, heard ? "agent" : "bad");
      brush.text(from, to, word, "ink", { font: SMALL, pad: 3 });
      brush.hit(from, to, `${word}\n${clock(from)} to ${clock(to)}${heard ? "" : ": not heard to its end"}`, "run", run, { frame: false });
    }
  },
};

const RUN_STYLES = { speculative: "hatch", held: "hatch", silent: "tint", audible: "fill", paused: "outline", flushing: "solid" };
const RUN_COLOURS = { held: "warn", paused: "warn", flushing: "bad" };

/** The row of each run: beside the one before while that is not over. */
const runRows = new Map();
call.runs.reduce((ends, run) => {
  const row = ends.findIndex((end) => end <= run.from);
  runRows.set(run.id, row < 0 ? ends.length : row);
  ends[row < 0 ? ends.length : row] = run.to;
  return ends;
}, []);
const RUN_HEIGHT = 20;

const runLane = {
  title: "runs", height: RUN_HEIGHT * Math.max(1, ...[...runRows.values()].map((row) => row + 1)),
  draw(brush) {
    for (const run of call.runs) {
      if (!brush.visible(run.from, run.to)) continue;
      const place = { top: runRows.get(run.id) * RUN_HEIGHT, height: RUN_HEIGHT - 2 };
      for (const [from, to, state] of run.states) {
        brush.bar(from, to, RUN_COLOURS[state] || "agent", RUN_STYLES[state] || "tint", place);
      }
      if (!run.states.length) brush.bar(run.from, run.to, "agent", "fill", place);
      const [from] = run.states.find(([, , state]) => state === "audible") || [run.from];
      const name = run.kind === "reply" ? run.id : `${run.id} ${run.kind}`;
      brush.text(from, run.to, `${name}  ${run.text}`, "ink", place);
      const ended = { heard: "✓", interrupted: "✕" }[run.ending] || "";
      const states = run.states.map(([a, b, state]) => `${state} ${length(b - a)}`).join(", ");
      brush.hit(run.from, run.to, `run ${run.id}: ${spoken(run.kind)}, ${run.ending} ${ended}\n${states}\n${run.text || "(nothing written)"}`, "run", run.id, place);
    }
  },
};

const bargeInLane = {
  title: "barge-ins", height: 18,
  draw(brush) {
    call.barge_ins.forEach((each, id) => {
      const until = each.at ?? view.end;
      if (!brush.visible(each.from, until)) return;
      const [sign, colour, meaning] = OUTCOMES[each.outcome];
      brush.bar(each.from, until, colour, "tint", { top: 2, height: 14 });
      brush.bar(until - brush.msPerPixel * 2, until, colour, "solid", { top: 2, height: 14 });
      brush.text(each.from, until + 4000, `${sign} ${spoken(each.cause)}`, "ink", { font: SMALL, pad: 3 });
      brush.hit(each.from, until, `caller speech over run ${each.run}: ${spoken(each.outcome)} (${spoken(each.cause)})\n`
        + `${meaning}; decided ${decidedAfter(each)}, speech ${length(each.speech_ms)}`, "bargein", id);
    });
  },
};

const stageLane = {
  title: "latency", height: 18,
  draw(brush) {
    for (const run of call.runs) {
      if (run.first_ms === null) continue;
      const total = run.stages.reduce((sum, [, ms]) => sum + ms, 0);
      let at = run.first_ms - total;
      if (!brush.visible(at, run.first_ms + 4000)) continue;
      for (const [stage, ms] of run.stages) {
        if (!ms) continue;
        brush.bar(at, at + ms, STAGE_COLOURS[stage], "solid", { top: 2, height: 14 });
        brush.hit(at, at + ms, `turn ${run.turn}, ${spoken(stage)}: ${ms} ms of ${total} ms`, "turn", run.turn, { frame: false });
        at += ms;
      }
      if (brush.msPerPixel < 60) brush.text(run.first_ms, run.first_ms + 4000, `${total} ms`, "dim", { font: SMALL, pad: 5 });
    }
  },
};

const toolLane = {
  title: "tools", height: 18,
  draw(brush) {
    for (const tool of call.tools) {
      if (!brush.visible(tool.from, tool.to)) continue;
      const colour = { returned: "good", failed: "bad" }[tool.outcome] || "warn";
      brush.bar(tool.from, tool.to, colour, "tint", { top: 1, height: 16 });
      brush.text(tool.from, tool.to + 3000, `${tool.name}: ${tool.outcome}`, "ink", { font: SMALL });
      brush.hit(tool.from, tool.to, `tool ${tool.name}: ${tool.outcome} after ${length(tool.to - tool.from)}`, "tool", tool.id);
    }
  },
};

const flagLane = {
  title: "call", height: 18,
  draw(brush) {
    const flags = [
      ...call.marks.map(([at, kind, label]) => [at, kind === "trouble" ? "bad" : "dim", label]),
      ...call.failures.map((each, id) => [each.at, "bad", `${spoken(each.stage)}: ${spoken(each.reason)}`, id]),
    ].sort((a, b) => a[0] - b[0]);
    for (const [from, to, state] of call.phases.filter(([from, to]) => brush.visible(from, to))) {
      const colour = { processing: "warn", responding: "agent", connecting: "bad" }[state] || "line";
      brush.bar(from, to, colour, "solid", { top: 15, height: 3 });
      brush.hit(from, to, `${state.toUpperCase()}, ${length(to - from)}`, null, null, { top: 12, height: 6 });
    }
    for (const [at, colour, label, id] of flags) {
      if (!brush.visible(at)) continue;
      brush.bar(at, at + brush.msPerPixel * 2, colour, "solid", { height: 14 });
      brush.hit(at, at, `${label} at ${clock(at)}`, id === undefined ? null : "failure", id, { height: 14 });
    }
    // Flags that are too near each other to be read share a line.
    const near = (one, other) => other[0] - one[0] < 40 * brush.msPerPixel;
    for (let first = 0, next; first < flags.length; first = next) {
      for (next = first + 1; next < flags.length && near(flags[next - 1], flags[next]);) next++;
      const group = flags.slice(first, next), until = next < flags.length ? flags[next][0] : view.end;
      const colour = group.some(([, each]) => each === "bad") ? "bad" : "dim";
      const last = group.at(-1)[0];
      if (brush.visible(last, until)) {
        brush.text(last, Math.min(until, last + 500 * brush.msPerPixel), group.map(([, , label]) => label).join(" · "), colour,
          { font: SMALL, height: 14, pad: 5 });
      }
    }
  },
};

const lanes = [
  timeLane, waveLane(0, "caller", "caller"), turnLane, recognisedLane, waveLane(1, "agent", "agent"), wordLane, runLane,
  ...(call.barge_ins.length ? [bargeInLane] : []), stageLane, ...(call.tools.length ? [toolLane] : []), flagLane,
];
