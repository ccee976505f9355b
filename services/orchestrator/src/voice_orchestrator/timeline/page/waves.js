// Waveforms: extremes of every bin, and coarser levels of them so that any zoom costs the same.

const FOLD = 4;

/** Levels of one side: each has the least and greatest sample of FOLD bins of the one before. */
function levelsOf(bytes, binMs) {
  const bins = bytes.length / 2;
  let least = new Int8Array(bins), greatest = new Int8Array(bins);
  for (let at = 0; at < bins; at++) {
    least[at] = bytes[2 * at];
    greatest[at] = bytes[2 * at + 1];
  }
  const levels = [{ binMs, least, greatest }];
  while (least.length > 512) {
    const next = { binMs: levels.at(-1).binMs * FOLD };
    const count = Math.ceil(least.length / FOLD);
    next.least = new Int8Array(count);
    next.greatest = new Int8Array(count);
    for (let at = 0; at < least.length; at++) {
      const into = Math.floor(at / FOLD);
      next.least[into] = Math.min(next.least[into], least[at]);
      next.greatest[into] = Math.max(next.greatest[into], greatest[at]);
    }
    ({ least, greatest } = next);
    levels.push(next);
  }
  return levels;
}

const waves = call.sound.peaks.map((text, side) => ({
  levels: levelsOf(decoded(text), call.sound.bin_ms),
  // A quiet side is drawn larger, up to eight times, and says so.
  gain: clamp(0.9 / Math.max(call.sound.loudest[side], 1e-6), 1, 8),
}));

/** Draws one side between `from` and `to` ms into a box, a column for every pixel. */
function drawWave(context, wave, box, from, to, colour) {
  if (!wave) return;
  const msPerPixel = (to - from) / box.width;
  const level = wave.levels.findLast((each) => each.binMs <= msPerPixel) || wave.levels[0];
  const middle = box.y + box.height / 2, scale = (wave.gain * box.height) / 2 / 128;
  context.fillStyle = colour;
  for (let x = 0; x < box.width; x++) {
    const first = Math.floor((from + x * msPerPixel) / level.binMs);
    const until = Math.max(first + 1, Math.ceil((from + (x + 1) * msPerPixel) / level.binMs));
    let least = 0, greatest = 0;
    for (let at = Math.max(0, first); at < until && at < level.least.length; at++) {
      if (level.least[at] < least) least = level.least[at];
      if (level.greatest[at] > greatest) greatest = level.greatest[at];
    }
    if (first < 0 || first >= level.least.length) continue;
    const top = Math.max(middle - greatest * scale, box.y), bottom = Math.min(middle - least * scale, box.y + box.height);
    context.fillRect(box.x + x, top, 1, Math.max(bottom - top, 0.75));
  }
}
