// The playhead and the sound.

const player = {
  sound: $("sound"),
  ms: call.call.start_ms,
  listeners: [],

  get playing() {
    return Boolean(this.sound) && !this.sound.paused;
  },

  /** Moves the playhead; the sound goes on from there when it plays. */
  seek(ms) {
    this.ms = clamp(ms, view.start, view.end);
    if (this.sound) this.sound.currentTime = Math.max(0, this.ms / 1000);
    this.tell();
  },

  toggle() {
    if (!this.sound) return;
    if (this.playing) this.sound.pause();
    else this.sound.play().catch((error) => say(`The sound cannot be played: ${error.message}`));
  },

  tell() {
    this.listeners.forEach((listener) => listener());
  },

  begin() {
    $("play").disabled = !this.sound;
    if (!this.sound) return;
    const step = () => {
      if (!this.playing) return;
      this.ms = this.sound.currentTime * 1000;
      if ($("follow").checked && (this.ms > view.to - (view.to - view.from) * 0.1 || this.ms < view.from)) {
        view.set(this.ms - (view.to - view.from) * 0.1, this.ms + (view.to - view.from) * 0.9);
      }
      this.tell();
      requestAnimationFrame(step);
    };
    this.sound.addEventListener("play", () => { this.tell(); requestAnimationFrame(step); });
    this.sound.addEventListener("pause", () => this.tell());
    this.sound.addEventListener("error", () => {
      $("play").disabled = true;
      say("This browser cannot play Ogg Vorbis; everything but the sound is here.");
    });
    $("speed").addEventListener("change", () => { this.sound.playbackRate = Number($("speed").value); });
  },
};

/** Adds a line to the note above the timeline. */
function say(text) {
  $("note").hidden = false;
  $("note").textContent = `${$("note").textContent} ${text}`.trim();
}
