// Every event of the journal: a list of which only the rows in sight exist, narrowed by kind and by words.

const ROW = 22;
const FAMILIES = {
  caller: ["SpeechStarted", "SpeechFaltered", "SpeechEnded", "TalkPressed", "TalkReleased", "CallerSoundLost", "CallerKeyed", "CallerTyped"],
  recognition: ["CallerTranscribed", "TranscriptionFailed", "EndOfTurnScored", "EndOfTurnFailed", "WordsScored"],
  writing: ["ReplyEnded", "ToolRequested", "ToolReturned", "ToolFailed", "RunFailed"],
  text: ["ReplyText"],
  voice: ["SegmentSounded", "SegmentSynthesised"],
  playing: ["SegmentStarted", "SegmentPlayed", "PlayoutReported"],
  ticks: ["Tick"],
  call: [],
};

const events = {
  families: new Map(),
  shown: [],
  at: -1,

  begin() {
    const familyOf = new Map(Object.entries(FAMILIES).flatMap(([family, kinds]) => kinds.map((kind) => [kind, family])));
    this.familyOfKind = call.events.kinds.map((kind) => familyOf.get(kind) || "call");
    const counts = {};
    for (const row of call.events.rows) {
      const family = this.familyOfKind[row[1]];
      counts[family] = (counts[family] || 0) + 1;
    }
    for (const family of Object.keys(FAMILIES).filter((each) => counts[each])) {
      // Pieces of text come by the token: they would hide everything else.
      const box = el("input", { type: "checkbox", checked: family !== "text", onchange: () => this.filter() });
      this.families.set(family, box);
      $("families").append(el("label", {}, box, ` ${family} ${counts[family]}`));
    }
    $("search").addEventListener("input", () => this.filter());
    $("list").addEventListener("scroll", () => this.draw());
    $("list").addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe($("list"));
    selection.listeners.push(() => this.follow());
    player.listeners.push(() => player.playing && $("follow").checked && this.goTo(this.indexAt(player.ms)));
    this.filter();
  },

  filter() {
    const wanted = $("search").value.toLowerCase().match(/run \d+|\S+/g) || [];
    const open = this.familyOfKind.map((family) => this.families.get(family).checked);
    this.shown = [];
    call.events.rows.forEach((row, id) => {
      if (!open[row[1]]) return;
      if (wanted.length) {
        const text = this.text(row).toLowerCase();
        // "run 1" is not "run 12".
        if (!wanted.every((word) => text.includes(word.startsWith("run ") ? `${word} ` : word))) return;
      }
      this.shown.push(id);
    });
    $("shown").textContent = `${this.shown.length} of ${call.events.rows.length}`;
    $("rows").style.height = `${this.shown.length * ROW}px`;
    this.at = -1;
    if (selection.kind === "event") this.follow();
    this.draw();
  },

  /** Everything that can be searched for in a row. */
  text([, kind, run, text, phase, ignored, commands]) {
    const { kinds, phases, ignored: reasons } = call.events;
    return `${kinds[kind]} ${run ? `run ${run}` : ""} ${text} ${phases[phase]} ${ignored ? `ignored ${reasons[ignored]}` : ""} ${commands.join(" ")} `;
  },

  draw() {
    const list = $("list");
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const until = Math.min(this.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 4);
    const made = [];
    for (let index = first; index < until; index++) made.push(this.row(index));
    $("rows").replaceChildren(...made);
    if (this.at >= first && this.at < until) list.setAttribute("aria-activedescendant", `row-${this.at}`);
    else list.removeAttribute("aria-activedescendant");
  },

  row(index) {
    const id = this.shown[index];
    const [at, kind, run, text, , ignored, commands] = call.events.rows[id];
    const row = el("div", {
      class: `row ${this.familyOfKind[kind]}${ignored ? " ignored" : ""}`, id: `row-${index}`, role: "option", data: { event: String(id) },
      "aria-selected": index === this.at, "aria-setsize": this.shown.length, "aria-posinset": index + 1,
      onclick: () => selection.choose("event", id),
    },
    el("time", {}, clock(at)), el("b", {}, call.events.kinds[kind]), run ? el("span", { class: "run" }, `run ${run}`) : "",
    el("span", { class: "text" }, ignored ? `ignored: ${spoken(call.events.ignored[ignored])}` : text),
    commands.length ? el("span", { class: "commands", title: commands.join("\n") }, `→ ${commands.length}`) : "");
    row.style.top = `${index * ROW}px`;
    return row;
  },

  /** The last shown event at or before a time. */
  indexAt(ms) {
    return lastBefore(this.shown, ms, (id) => call.events.rows[id][0]);
  },

  goTo(index) {
    if (index < 0 || index === this.at) return;
    this.at = index;
    const list = $("list"), top = index * ROW;
    if (top < list.scrollTop || top + ROW > list.scrollTop + list.clientHeight) {
      list.scrollTop = Math.max(0, index - Math.floor(list.clientHeight / ROW / 3)) * ROW;
    }
    this.draw();
  },

  /** Follows what is chosen elsewhere: to the event itself, or, when it is not in the list, to the time. */
  follow() {
    const index = selection.kind === "event" ? this.shown.indexOf(selection.id) : -1;
    this.goTo(index < 0 ? this.indexAt(player.ms) : index);
  },

  key(event) {
    const page = Math.floor($("list").clientHeight / ROW);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.shown.length) return;
    event.preventDefault();
    selection.choose("event", this.shown[clamp(this.at + steps[event.key], 0, this.shown.length - 1)]);
  },
};
