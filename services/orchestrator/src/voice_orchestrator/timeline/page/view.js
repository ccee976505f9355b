// The stretch of time that is shown, and who is told when it changes.

const view = {
  start: call.call.start_ms,
  end: call.call.end_ms,
  from: call.call.start_ms,
  to: call.call.end_ms,
  listeners: [],

  set(from, to) {
    const whole = this.end - this.start;
    const shown = clamp(to - from, Math.min(100, whole), whole);
    this.from = clamp(from, this.start, this.end - shown);
    this.to = this.from + shown;
    this.listeners.forEach((listener) => listener());
  },

  /** Shows `factor` times as much, `around` staying where it is. */
  zoom(factor, around = (this.from + this.to) / 2) {
    const shown = (this.to - this.from) * factor;
    this.set(around - ((around - this.from) / (this.to - this.from)) * shown,
      around + ((this.to - around) / (this.to - this.from)) * shown);
  },

  pan(ms) {
    this.set(this.from + ms, this.to + ms);
  },

  /** Moves as little as is needed to show a stretch with some air around it; nearer when it would be a mere line. */
  reveal(from, to = from) {
    const shown = this.to - this.from, air = shown * 0.06;
    if (shown > 180000 && to - from < shown / 60) this.set(from - 10000, from + 50000);
    else if (to - from + 2 * air > shown) this.set(from - (to - from) * 0.15, to + (to - from) * 0.15);
    else if (from - air < this.from) this.pan(from - air - this.from);
    else if (to + air > this.to) this.pan(to + air - this.to);
  },
};
