// The two canvases: the lanes in the shown stretch, and the whole call above them; pointing, dragging, zooming.

const GAP = 5;

const stage = {
  canvas: $("lanes").querySelector("canvas"),
  hits: [],
  pending: false,

  begin() {
    for (const lane of lanes) $("labels").append(el("div", { class: "label" }, lane.title));
    let at = 0;
    lanes.forEach((lane, index) => {
      lane.y = at;
      $("labels").children[index].style.height = `${lane.height + GAP}px`;
      at += lane.height + GAP;
    });
    this.height = at;
    $("stage").style.height = `${at}px`;
    new ResizeObserver(() => this.redraw()).observe($("lanes"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      colours.forget();
      this.redraw();
    });
    view.listeners.push(() => this.redraw());
    selection.listeners.push(() => this.redraw());
    player.listeners.push(() => this.movePlayhead());
    this.listen();
    overview.begin();
  },

  /** Draws once before the next frame, however often it is asked. */
  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
      overview.draw();
      this.movePlayhead();
    });
  },

  draw() {
    const width = $("lanes").clientWidth;
    const context = sized(this.canvas, width, this.height);
    this.hits = [];
    for (const lane of lanes) {
      lane.draw(new Brush(context, { y: lane.y, x: 0, width, height: lane.height }, this.hits));
    }
  },

  movePlayhead() {
    const at = (player.ms - view.from) / (view.to - view.from);
    $("playhead").hidden = at < 0 || at > 1;
    $("playhead").style.left = `${at * 100}%`;
    $("clock").textContent = `${clock(player.ms)} / ${clock(view.end, 1)}`;
    $("play").textContent = player.playing ? "Pause" : "Play";
    $("lanes").setAttribute("aria-valuemin", Math.round(view.start));
    $("lanes").setAttribute("aria-valuemax", Math.round(view.end));
    $("lanes").setAttribute("aria-valuenow", Math.round(player.ms));
    $("lanes").setAttribute("aria-valuetext", whatIsAt(player.ms));
  },

  // --- pointer

  msAt(event) {
    const box = $("lanes").getBoundingClientRect();
    return view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from);
  },

  /** What was drawn last under the pointer, the smallest of it first. */
  hitAt(event) {
    const box = $("lanes").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const under = this.hits.filter((hit) => x >= hit.x0 && x <= hit.x1 && y >= hit.y0 && y <= hit.y1);
    return under.sort((a, b) => a.x1 - a.x0 - (b.x1 - b.x0))[0];
  },

  listen() {
    const lanesBox = $("lanes");
    let drag = null;
    lanesBox.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
      lanesBox.setPointerCapture(event.pointerId);
    });
    lanesBox.addEventListener("pointermove", (event) => {
      if (!drag) return this.showTip(event);
      drag.moved ||= Math.abs(event.clientX - drag.x) > 4;
      if (!drag.moved) return undefined;
      const ms = ((drag.x - event.clientX) / lanesBox.clientWidth) * (drag.to - drag.from);
      $("tip").hidden = true;
      return view.set(drag.from + ms, drag.to + ms);
    });
    lanesBox.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) this.click(event);
      drag = null;
    });
    lanesBox.addEventListener("pointercancel", () => { drag = null; });
    lanesBox.addEventListener("pointerleave", () => { $("tip").hidden = true; });
    lanesBox.addEventListener("dblclick", (event) => view.zoom(0.4, this.msAt(event)));
    lanesBox.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        view.zoom(Math.exp(event.deltaY * 0.002), this.msAt(event));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
        event.preventDefault();
        view.pan(((event.deltaX || event.deltaY) / lanesBox.clientWidth) * (view.to - view.from));
      }
    }, { passive: false });
  },

  click(event) {
    const hit = this.hitAt(event);
    player.seek(this.msAt(event));
    if (hit && hit.kind) selection.choose(hit.kind, hit.id, { reveal: false });
  },

  showTip(event) {
    const hit = this.hitAt(event), tip = $("tip"), box = $("lanes").getBoundingClientRect();
    tip.hidden = !hit;
    if (!hit) return;
    tip.textContent = hit.tip;
    tip.style.left = `${clamp(event.clientX - box.left + 12, 0, Math.max(0, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${event.clientY - box.top + 16}px`;
  },
};

const overview = {
  canvas: $("overview"),

  begin() {
    let dragging = false;
    const move = (event) => {
      const box = this.canvas.getBoundingClientRect(), half = (view.to - view.from) / 2;
      const ms = view.start + ((event.clientX - box.left) / box.width) * (view.end - view.start);
      view.set(ms - half, ms + half);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      dragging = true;
      this.canvas.setPointerCapture(event.pointerId);
      move(event);
    });
    this.canvas.addEventListener("pointermove", (event) => dragging && move(event));
    this.canvas.addEventListener("pointerup", () => { dragging = false; });
    this.canvas.addEventListener("pointercancel", () => { dragging = false; });
  },

  draw() {
    const width = this.canvas.clientWidth, height = 44;
    const context = sized(this.canvas, width, height);
    const x = (ms) => ((ms - view.start) / (view.end - view.start)) * width;
    drawWave(context, waves[0], { x: 0, y: 0, width, height: height / 2 }, view.start, view.end, colours.caller);
    drawWave(context, waves[1], { x: 0, y: height / 2, width, height: height / 2 }, view.start, view.end, colours.agent);
    if (!waves.length) {
      context.fillStyle = colours.caller;
      for (const turn of call.turns) context.fillRect(x(turn.from), 6, Math.max(1, x(turn.to) - x(turn.from)), 12);
      context.fillStyle = colours.agent;
      for (const run of call.runs) context.fillRect(x(run.from), 26, Math.max(1, x(run.to) - x(run.from)), 12);
    }
    context.fillStyle = colours.bad;
    for (const each of call.failures) context.fillRect(x(each.at) - 1, 0, 3, height);
    for (const each of call.barge_ins) if (each.outcome === "confirmed") context.fillRect(x(each.from), height - 4, 2, 4);
    context.fillStyle = colours.shade;
    context.fillRect(0, 0, x(view.from), height);
    context.fillRect(x(view.to), 0, width, height);
    context.strokeStyle = colours.dim;
    context.strokeRect(x(view.from) + 0.5, 0.5, Math.max(2, x(view.to) - x(view.from) - 1), height - 1);
  },
};

/** A cleared context of a canvas of that many CSS pixels. */
function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.textBaseline = "middle";
  return context;
}

/** A sentence for those who do not see the picture. */
function whatIsAt(ms) {
  const during = (each) => each.from <= ms && ms < each.to;
  const parts = [clock(ms)];
  const turn = call.turns.find(during), run = call.runs.findLast(during);
  if (turn) parts.push(`turn ${turn.id}: ${turn.words}`);
  if (run) parts.push(`run ${run.id} ${(run.states.find(([from, to]) => from <= ms && ms < to) || [0, 0, ""])[2]}: ${run.text}`);
  return parts.join("; ");
}
