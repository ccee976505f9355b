// Puts the page together.

function heading() {
  const { session, profile, started_at: started, cause, end_ms: end } = call.call;
  $("title").append(profile, el("small", {}, ` call ${session}`));
  const parts = [started ? new Date(started).toLocaleString() : "", clock(end - call.call.start_ms, 1), cause ? `ended: ${spoken(cause)}` : "not ended"];
  $("facts").textContent = parts.filter(Boolean).join(" · ");
  const committed = call.turns.filter((turn) => turn.committed).length;
  const latencies = call.turns.map((turn) => turn.v2v_ms).filter((ms) => ms !== null).sort((a, b) => a - b);
  const counts = [
    plural(committed, "turn"), plural(call.runs.length, "run"), plural(call.barge_ins.length, "barge-in"),
    plural(call.failures.length, "failure"), plural(call.events.rows.length, "event"),
    latencies.length ? `${latencies[latencies.length >> 1]} ms voice to voice (median)` : "",
  ];
  $("counts").append(...counts.filter(Boolean).map((text) => el("li", {}, text)));
  if (call.sound.note) say(call.sound.note);
  const legend = Object.keys(STAGE_COLOURS).map((stage) => el("span", {}, el("i", { class: `stage ${stage}` }), spoken(stage)));
  $("legend").append(...legend);
}

/** The turn before (-1) or after (+1) the playhead. */
function turnFrom(step) {
  const order = call.turns.filter((turn) => turn.committed).sort((a, b) => a.from - b.from);
  const at = lastBefore(order, player.ms, (turn) => turn.from);
  const here = selection.kind === "turn" ? order.findIndex((turn) => turn.id === selection.id) : at;
  const next = order[clamp((here < 0 ? at : here) + step, 0, order.length - 1)];
  if (next) selection.choose("turn", next.id);
}

const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: (event) => player.seek(player.ms - (event.shiftKey ? 100 : 1000)),
  ArrowRight: (event) => player.seek(player.ms + (event.shiftKey ? 100 : 1000)),
  "+": () => view.zoom(0.6, player.ms),
  "=": () => view.zoom(0.6, player.ms),
  "-": () => view.zoom(1 / 0.6, player.ms),
  0: () => view.set(view.start, view.end),
  n: () => turnFrom(1),
  p: () => turnFrom(-1),
};

function keyboard() {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, #list");
    const pressing = event.key === " " && event.target.closest("button");
    const tabbing = event.key.startsWith("Arrow") && event.target.closest("[role=tab]");
    if (typing || pressing || tabbing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key](event);
    if (event.key.startsWith("Arrow")) view.reveal(player.ms);
  });
}

function toolbar() {
  $("play").onclick = () => player.toggle();
  $("in").onclick = () => view.zoom(0.6);
  $("out").onclick = () => view.zoom(1 / 0.6);
  $("fit").onclick = () => view.set(view.start, view.end);
  $("earlier").onclick = () => turnFrom(-1);
  $("later").onclick = () => turnFrom(1);
}

heading();
details.begin();
conversation.begin();
stage.begin();
events.begin();
player.begin();
toolbar();
keyboard();
// A long call begins with its first minute: a whole hour is only stripes.
if (view.end - view.start > 180000) view.set(view.start, view.start + 60000);
window.addEventListener("hashchange", () => selection.fromAddress());
selection.fromAddress();
player.tell();
document.documentElement.dataset.ready = "yes";
