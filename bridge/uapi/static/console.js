// The live calls as they change, and picking them up. Everything is put into the page as text, never as markup: names
// and numbers come from whoever calls.

const $ = (id) => document.getElementById(id);
const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Set only where it differs: what is set anew is read out anew.
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const TOKEN = "uapi-token", PHONE = "uapi-phone", THEME = "uapi-theme";
const SILENCE = 40_000; // ms; the stream gives a sign of life every 15 s
const KEPT = 40; // lines of what happened

const state = {
  token: "", me: null, calls: new Map(), extension: "", find: "", lastId: "", skew: 0, up: false, stop: null, outcomes: new Map(),
  names: new Map(),
};

// --- what a call is

const STATES = {
  ringing: "Ringing", waiting: "Waiting", talking: "Talking", dialling: "Dialling",
};
const ORDER = Object.keys(STATES);

const party = (callerId = "") => {
  const [, name, number] = /^(.*?)\s*<([^<>]*)>$/.exec(callerId) ?? [null, callerId, ""];
  return { name: name.trim(), number };
};

// A view names the other party; so each party's name stands in the others' views, and is kept for one who waits alone.
const names = (call) => {
  const known = state.names.get(call.id) ?? new Map();
  state.names.set(call.id, known);
  for (const view of call.phoneCallView) {
    const { name, number } = party(view.callerId);
    if (name && number && name !== number) known.set(number, name);
  }
  return known;
};

const ringing = (call) => call.phoneCallView.some((view) => view.status === "3");
const stateOf = (call) => {
  const views = call.phoneCallView;
  if (views.some((view) => view.parked || view.onHold)) return "waiting";
  if (ringing(call)) return "ringing";
  if (views.length === 1 && views[0].status === "5") return "waiting";
  return views.some((view) => view.status === "5") ? "talking" : "dialling";
};

const labelOf = (call) => {
  const parked = call.phoneCallView.find((view) => view.parked);
  if (parked) return parked.parkedPos === undefined ? "Parked" : `Parked in ${parked.parkedPos}`;
  if (call.phoneCallView.some((view) => view.onHold)) return "On hold";
  return STATES[stateOf(call)];
};

const doing = (call, view) => {
  const pick = view.pickUp;
  const from = pick?.from ? ` from ${pick.from}` : "";
  if (pick?.status === "ringing") return `${pick.sendCallTo} rings to take this over${from}`;
  const taken = pick?.status === "connected" ? `, taken${from || " over"}` : "";
  if (view.parked) return `parked${view.parkedBy ? ` by ${view.parkedBy}` : ""}${taken}`;
  if (view.onHold) return (view.holder ? "holds the call" : "is on hold") + taken;
  if (view.status === "3") return "rings";
  if (view.status === "4") return "is calling";
  if (view.status === "2") return "is being called";
  if (view.status === "5" && call.phoneCallView.some((one) => one.parked)) return "is leaving";
  if (view.status === "5") return (call.phoneCallView.length === 1 ? "waits" : "talks") + taken;
  return taken.slice(2);
};

const mine = (number) => state.me.mine.has(number);

const verb = (call, view) => {
  const phone = $("phone").value;
  if (!phone || view.extension === phone || view.pickUp?.status === "ringing") return "";
  const alone = call.phoneCallView.length === 1;
  if (!view.parked && call.phoneCallView.some((one) => one.parked)) return "";
  if (!mine(view.extension) && !(view.status === "5" && (alone || view.parked))) return "";
  if (view.status === "3") return "Pick up";
  if (view.status === "5") return alone || view.parked ? "Pick up" : "Take over";
  return "";
};

const since = (call) => {
  const dates = call.phoneCallView.map((view) => view.parked ?? view.onHold).filter(Boolean);
  return Date.parse(dates[0] ?? call.answered ?? call.published);
};

const duration = (ms) => {
  const all = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
};

const shown = (number, known) => (known.has(number) ? `${known.get(number)} (${number})` : number || "somebody");
const initials = (name, number) => {
  const words = name.split(/\s+/).filter(Boolean);
  return words.length ? words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") : (number ?? "").slice(-2) || "?";
};

// --- the page

const log = (text) => {
  const at = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  $("log").prepend(make("li", {}, make("time", {}, at), make("span", {}, text)));
  while ($("log").children.length > KEPT) $("log").lastChild.remove();
};

const link = (kind, text) => {
  $("link").dataset.state = kind;
  say($("link"), text);
};

const notice = (text) => {
  $("notice").hidden = !text;
  say($("notice"), text);
};

const concerns = (call, extension) =>
  call.extension === extension ||
  call.phoneCallView.some((view) =>
    [view.extension, view.parkedBy, view.pickUp?.from, ...(view.destination ?? [])].includes(extension));

const visible = (call) => {
  if (state.extension && !concerns(call, state.extension)) return false;
  if (!state.find) return true;
  const words = call.phoneCallView.flatMap((view) => [view.extension, view.callerId, ...(view.destination ?? []), view.parkedPos]);
  return words.join(" ").toLowerCase().includes(state.find);
};

const card = (id) => {
  const element = make("li", { className: "card call" },
    make("header", {}, make("p", { className: "pill" }), make("p", { className: "line" }), make("time", {})),
    make("div", { className: "views" }));
  element.dataset.call = id;
  return element;
};

const row = (id) => {
  const element = make("div", { className: "view" },
    make("span", { className: "face", ariaHidden: "true" }),
    make("p", { className: "party" }, make("strong", {}), make("span", { className: "number" }), make("span", { className: "doing" })),
    make("button", { type: "button", hidden: true }),
    make("p", { className: "outcome" }));
  element.dataset.view = id;
  return element;
};

// Elements stay where they are as long as they can, so that the keyboard's focus and a screen reader's place do too.
const place = (parent, key, wanted, create) => {
  const held = document.activeElement;
  const have = new Map([...parent.children].map((element) => [element.dataset[key], element]));
  const elements = wanted.map((id) => have.get(id) ?? create(id));
  for (const [id, element] of have) if (!wanted.includes(id)) element.remove();
  elements.forEach((element, at) => {
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
  if (held !== document.activeElement && held?.isConnected) held.focus();
  return elements;
};

const drawView = (call, view, element, known) => {
  const [face, who, button, outcome] = element.children;
  const name = known.get(view.extension) ?? "";
  element.classList.toggle("mine", mine(view.extension));
  say(face, initials(name, view.extension));
  say(who.children[0], name || view.extension || "Unknown");
  say(who.children[1], name ? view.extension : "");
  say(who.children[2], doing(call, view));
  const told = state.outcomes.get(`${call.id} ${view.id}`);
  const label = verb(call, view);
  button.hidden = !label;
  button.disabled = told?.tone === "busy" || !state.up;
  say(button, label);
  button.className = label === "Pick up" ? "primary" : "";
  button.ariaLabel = `${label}: ${shown(view.extension, known)}, to ${$("phone").value}`;
  button.onclick = () => pickUp(call, view);
  say(outcome, told?.text ?? "");
  outcome.dataset.tone = told?.tone ?? "";
};

const drawCall = (call, element) => {
  const known = names(call);
  const [head, views] = element.children;
  element.dataset.state = stateOf(call);
  element.classList.toggle("stale", !state.up);
  head.children[0].dataset.state = element.dataset.state;
  say(head.children[0], labelOf(call));
  const { source, destination } = call.phoneCallView[0] ?? {};
  say(head.children[1], destination?.length ? `${source?.[0] ?? "somebody"} called ${destination[0]}` : "");
  head.children[2].dataset.since = since(call);
  const rows = place(views, "view", call.phoneCallView.map((view) => view.id), row);
  call.phoneCallView.forEach((view, at) => drawView(call, view, rows[at], known));
};

const drawExtensions = () => {
  const all = [...state.calls.values()];
  const busy = all.flatMap((call) => call.phoneCallView.map((view) => view.extension)).filter((number) => number && mine(number));
  const numbers = [...new Set([...state.me.extensions.map((one) => one.extension), ...busy])].sort();
  const wanted = ["", ...numbers.filter((number) => !state.find || number.includes(state.find) || concernsAny(all, number))];
  const buttons = place($("extensions"), "extension", wanted, (number) => {
    const button = make("button", { type: "button" }, make("span", {}, number || "All extensions"), make("span", { className: "count" }));
    button.dataset.extension = number;
    button.onclick = () => { state.extension = number; draw(); };
    return button;
  });
  for (const button of buttons) {
    const number = button.dataset.extension;
    const count = number ? all.filter((call) => concerns(call, number)).length : all.length;
    button.ariaPressed = String(number === state.extension);
    say(button.children[1], count ? String(count) : "");
    button.ariaLabel = `${number || "All extensions"}, ${count === 1 ? "1 call" : `${count} calls`}`;
  }
};
const concernsAny = (calls, number) => calls.some((call) => visible(call) && concerns(call, number));

const draw = () => {
  const calls = [...state.calls.values()].filter(visible).sort((one, other) =>
    ORDER.indexOf(stateOf(one)) - ORDER.indexOf(stateOf(other)) ||
    one.published.localeCompare(other.published) || one.id.localeCompare(other.id));
  const cards = place($("list"), "call", calls.map((call) => call.id), card);
  calls.forEach((call, at) => drawCall(call, cards[at]));
  $("empty").hidden = calls.length > 0 || !state.up;
  say($("title"), state.extension ? `Calls of ${state.extension}` : "Live calls");
  const counted = ORDER.map((kind) => [kind, calls.filter((call) => stateOf(call) === kind).length]).filter(([, count]) => count);
  const pills = place($("counts"), "state", counted.map(([kind]) => kind), (kind) => {
    const pill = make("span", { className: "pill" });
    pill.dataset.state = kind;
    return pill;
  });
  counted.forEach(([kind, count], at) => say(pills[at], `${count} ${STATES[kind].toLowerCase()}`));
  document.title = calls.some(ringing) ? "\u260e Ringing \u2013 Calls" : "Calls";
  drawExtensions();
  tick();
};

const tick = () => {
  const now = Date.now() + state.skew;
  for (const time of document.querySelectorAll(".call time")) say(time, duration(now - Number(time.dataset.since)));
};

// --- what happens

// Both of a conversation, once both are heard of: one answers an instant before the other does.
const talking = (call) =>
  stateOf(call) === "talking" ? call.phoneCallView.filter((view) => view.status === "5" && !view.pickUp) : [];

const tell = (kind, call, before) => {
  const known = names(call);
  const [first] = call.phoneCallView;
  const who = shown(first?.source?.[0] ?? first?.extension, known);
  if (kind === "added" || (kind === "changed" && ringing(call) && !(before && ringing(before)))) {
    const rings = call.phoneCallView.find((view) => view.status === "3");
    if (rings) log(`${who} rings ${shown(rings.extension, known)}`);
  }
  const talkers = talking(call);
  if (kind !== "ended" && talkers.length === 2 && !(before && talking(before).length === 2))
    log(`${shown(talkers[0].extension, known)} talks with ${shown(talkers[1].extension, known)}`);
  for (const view of call.phoneCallView) {
    const was = before?.phoneCallView.find((one) => one.id === view.id);
    if (view.parked && !was?.parked) log(`${shown(view.extension, known)} is parked${view.parkedPos === undefined ? "" : ` in ${view.parkedPos}`}`);
    const pick = view.pickUp;
    if (!pick || pick.status === was?.pickUp?.status || kind === "ended") continue;
    if (pick.status === "connected") log(`${pick.sendCallTo} took the call of ${who}${pick.from ? ` from ${pick.from}` : ""}`);
  }
  if (kind === "ended") log(`The call of ${who} has ended`);
};

const hear = (kind, data) => {
  if (kind === "snapshot") {
    state.calls = new Map(data.entry.map((call) => [call.id, call]));
    for (const id of state.names.keys()) if (!state.calls.has(id)) state.names.delete(id);
    state.up = true;
    link("live", "Live");
    notice("");
  } else if (kind === "unavailable") {
    state.up = false;
    link("away", "PBX away");
    notice(data.error.message);
  } else if (["added", "changed", "ended"].includes(kind)) {
    tell(kind, data, state.calls.get(data.id));
    if (kind === "ended") {
      state.calls.delete(data.id);
      state.names.delete(data.id);
      for (const key of state.outcomes.keys()) if (key.startsWith(`${data.id} `)) state.outcomes.delete(key);
    } else state.calls.set(data.id, data);
  }
  draw();
};

const parse = (block) => {
  const fields = {};
  for (const line of block.split("\n")) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
    if (name) fields[name] = name === "data" && "data" in fields ? `${fields.data}\n${value}` : value;
  }
  if ("data" in fields) hear(fields.event, JSON.parse(fields.data));
  if ("id" in fields) state.lastId = fields.id;
};

const authorized = (headers = {}) => ({ Authorization: `Bearer ${state.token}`, ...headers });

// EventSource cannot send the token in a header, and an address is no place for one.
const listen = async (ended) => {
  const silent = new AbortController();
  let watch = setTimeout(() => silent.abort(), SILENCE);
  try {
    const reply = await fetch("/uapi/phoneCalls/@me/@self/events", {
      headers: authorized(state.lastId ? { "Last-Event-ID": state.lastId } : {}),
      signal: AbortSignal.any([ended, silent.signal]), cache: "no-store",
    });
    if (reply.status === 401) return leave("This token is unknown or has expired.");
    if (!reply.ok) {
      const { error } = await reply.json();
      hear("unavailable", { error });
      return false;
    }
    const date = Date.parse(reply.headers.get("Date"));
    if (date) state.skew = date - Date.now();
    state.up = true;
    link("live", "Live");
    notice("");
    draw();
    let text = "";
    const decoder = new TextDecoder();
    for (const reader = reply.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return true;
      clearTimeout(watch);
      watch = setTimeout(() => silent.abort(), SILENCE);
      text += decoder.decode(value, { stream: true });
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) parse(text.slice(0, end));
    }
  } finally {
    clearTimeout(watch);
  }
};

const keepListening = async () => {
  state.stop = new AbortController();
  const ended = state.stop.signal;
  for (let pause = 500; !ended.aborted;) {
    try {
      if (await listen(ended)) pause = 500;
    } catch { /* the connection was lost: said below, and tried again */ }
    if (ended.aborted) return;
    state.up = false;
    if ($("link").dataset.state !== "away") link("connecting", "Reconnecting");
    draw();
    await new Promise((go) => setTimeout(go, pause));
    pause = Math.min(pause * 2, 8000);
  }
};

// --- picking up

const pickUp = async (call, view) => {
  const phone = $("phone").value, key = `${call.id} ${view.id}`;
  const outcome = (tone, text) => {
    state.outcomes.set(key, { tone, text });
    draw();
    if (tone === "good" || tone === "bad") {
      log(text);
      setTimeout(() => { if (state.outcomes.get(key)?.text === text) { state.outcomes.delete(key); draw(); } }, 8000);
    }
  };
  outcome("busy", `Answer ${phone} to take the call.`);
  try {
    const reply = await fetch(`/uapi/phoneCalls/@me/${encodeURIComponent(call.extension)}/${call.id}`, {
      method: "PUT",
      headers: authorized({ "Content-Type": "application/json", Prefer: "wait=30" }),
      body: JSON.stringify({ action: "PickUp", sendCallTo: phone, phoneCallViewId: view.id, waitForPickup: 25 }),
    });
    if (reply.status === 200) outcome("good", `${phone} has the call.`);
    else if (reply.status === 202) outcome("good", `${phone} is ringing.`);
    else if (reply.status === 204) outcome("bad", `${phone} did not take the call: nobody answered, or the caller hung up.`);
    else if (reply.status === 401) leave("This token is unknown or has expired.");
    else outcome("bad", (await reply.json()).error.message);
  } catch {
    outcome("bad", "The bridge cannot be reached.");
  }
};

// --- coming and going

const enter = async (token) => {
  let reply;
  try {
    reply = await fetch("/console/me", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  } catch {
    return leave("The bridge cannot be reached.");
  }
  if (!reply.ok) return leave((await reply.json()).error.message);
  const me = await reply.json();
  sessionStorage.setItem(TOKEN, token);
  Object.assign(state, { token, me, calls: new Map(), lastId: "", up: false, extension: "", find: "", outcomes: new Map(), names: new Map() });
  me.mine = new Set(me.extensions.map((one) => one.extension));
  say($("name"), me.name);
  say($("organization"), me.organization);
  const option = (number) => make("option", { value: number }, number);
  const own = me.extensions.filter((one) => one.phone).map((one) => one.extension);
  const groups = [["Mine", own], ["Others", me.phones.filter((number) => !me.mine.has(number))]];
  $("phone").replaceChildren(...groups.filter(([, numbers]) => numbers.length).map(([label, numbers]) =>
    make("optgroup", { label }, ...numbers.map(option))));
  const before = localStorage.getItem(PHONE);
  if ([...own, ...me.phones].includes(before)) $("phone").value = before;
  $("door").hidden = true;
  $("desk").hidden = false;
  $("find").value = "";
  link("connecting", "Connecting");
  draw();
  $("calls").focus();
  keepListening();
};

const leave = (why = "") => {
  state.stop?.abort();
  sessionStorage.removeItem(TOKEN);
  state.token = "";
  $("list").replaceChildren();
  $("log").replaceChildren();
  $("desk").hidden = true;
  $("door").hidden = false;
  say($("door-said"), why);
  $("token").focus();
};

const THEMES = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const theme = (name) => {
  document.documentElement.dataset.theme = name;
  $("theme").ariaLabel = $("theme").title = THEMES[name];
  localStorage.setItem(THEME, name);
};

$("sign-in").onsubmit = (event) => {
  event.preventDefault();
  const token = $("token").value.trim().replace(/^bearer\s+/i, "");
  $("token").value = "";
  say($("door-said"), "");
  enter(token);
};
$("sign-out").onclick = () => leave();
$("theme").onclick = () => {
  const all = Object.keys(THEMES);
  theme(all[(all.indexOf(document.documentElement.dataset.theme) + 1) % all.length]);
};
$("phone").onchange = () => { localStorage.setItem(PHONE, $("phone").value); draw(); };
$("find").oninput = () => { state.find = $("find").value.trim().toLowerCase(); draw(); };
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, select") || $("desk").hidden) return;
  event.preventDefault();
  $("find").focus();
});
setInterval(tick, 1000);
theme(THEMES[localStorage.getItem(THEME)] ? localStorage.getItem(THEME) : "");
if (sessionStorage.getItem(TOKEN)) enter(sessionStorage.getItem(TOKEN)); else leave();
