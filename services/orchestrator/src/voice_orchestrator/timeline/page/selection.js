// The one thing that is looked at: a turn, a run, a barge-in, a failure, a tool, an event. Named in the address.

const selection = {
  kind: null,
  id: null,
  listeners: [],

  /** `reveal`: brings it into view and moves the playhead to where it begins. */
  choose(kind, id, { reveal = true } = {}) {
    const found = Object.hasOwn(things, kind) && things[kind](id);
    if (!found) return;
    this.kind = kind;
    this.id = id;
    history.replaceState(null, "", `#${kind}-${id}`);
    if (reveal) {
      view.reveal(found.from, found.to);
      player.seek(found.from);
    }
    this.listeners.forEach((listener) => listener());
  },

  is(kind, id) {
    return this.kind === kind && this.id === id;
  },

  /** Chooses what the address names, as a link does. */
  fromAddress() {
    const [, kind, id] = location.hash.match(/^#([a-z]+)-(\d+)$/) || [];
    if (kind && !this.is(kind, Number(id))) this.choose(kind, Number(id));
  },
};

/** Where on the axis each kind of thing is. */
const things = {
  turn: (id) => {
    const turn = turns.get(id), answer = turn && runs.get(turn.run);
    return turn && { from: turn.from, to: answer && answer.first_ms !== null ? answer.first_ms : turn.to };
  },
  run: (id) => runs.get(id),
  bargein: (id) => call.barge_ins[id] && { from: call.barge_ins[id].from, to: call.barge_ins[id].at ?? call.barge_ins[id].from },
  failure: (id) => call.failures[id] && { from: call.failures[id].at, to: call.failures[id].at },
  tool: (id) => call.tools.find((tool) => tool.id === id),
  event: (id) => call.events.rows[id] && { from: call.events.rows[id][0], to: call.events.rows[id][0] },
};
