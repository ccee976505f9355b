// What every part uses: the call's data, elements made of text, times as people read them.

const call = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/** An element with properties, classes and children; text is always text, never markup. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name.startsWith("aria") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

/** 1:02.345, or 1:00:02.345 in calls of an hour. */
function clock(ms, digits = 3) {
  const sign = ms < 0 ? "-" : "";
  const unit = 10 ** (3 - digits);
  const whole = Math.round(Math.abs(ms) / unit) * unit;
  const hours = Math.floor(whole / 3600000);
  const minutes = Math.floor(whole / 60000) % 60;
  const seconds = ((whole % 60000) / 1000).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return sign + (hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes) + `:${seconds}`;
}

const length = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);
const spoken = (code) => code.replaceAll("_", " ");
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** Bytes of base64. */
function decoded(text) {
  const binary = atob(text);
  const bytes = new Int8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Index of the last row that begins at or before `ms`; rows are in order of `at(row)`. -1: none. */
function lastBefore(rows, ms, at) {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(rows[middle]) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Colours of the style sheet, read again when the browser turns light or dark. */
const colours = new Proxy({}, {
  cache: new Map(),
  get(_, name) {
    if (name === "forget") return () => this.cache.clear();
    if (!this.cache.has(name)) {
      this.cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
    }
    return this.cache.get(name);
  },
});

const runs = new Map(call.runs.map((run) => [run.id, run]));
const turns = new Map(call.turns.map((turn) => [turn.id, turn]));
