"use strict";
// Keeps the page true: each event is a whole status, so nothing is ever patched together. A page
// that hears nothing says so, because a lamp that merely stopped changing would look like peace.

// The box sends a status every 10 s; two and a half of these without one, and it is gone.
const SILENCE_MS = 25000;
// Between questions, where streams are full or not supported.
const ASK_MS = 10000;

const byId = (id) => document.getElementById(id);
let silence = 0;
let asking = 0;

// Leaves equal text alone, so that a screen reader speaks only when something has changed.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// One step wide for each step, as the server draws it.
function drawn(day, was) {
  const these = day.filter((stretch) => stretch.was === was);
  return these.map(({ from, steps }) => `M${from} 0h${steps}v1h-${steps}z`).join("");
}

function paintRow(list, uplink) {
  let row = [...list.children].find((child) => child.dataset.name === uplink.name);
  if (!row) {
    row = byId("row").content.firstElementChild.cloneNode(true);
    row.dataset.name = uplink.name;
    list.append(row);
  }
  row.dataset.state = uplink.state;
  say(row.querySelector(".label"), uplink.label);
  say(row.querySelector(".words"), uplink.words);
  say(row.querySelector(".span"), uplink.lasting);
  say(row.querySelector(".policy"), uplink.policy);
  row.dataset.day = uplink.day.length ? "known" : "unknown";
  for (const was of ["up", "partly", "down"]) {
    row.querySelector(`.${was}`).setAttribute("d", drawn(uplink.day, was));
  }
  say(row.querySelector(".day-words"), uplink.day_words);
  say(row.querySelector(".plan"), uplink.plan);
  return row;
}

function paint(view) {
  document.body.dataset.light = view.light;
  document.title = `${view.headline} · Porchlight`;
  say(byId("headline"), view.headline);
  say(byId("why"), view.why);
  say(byId("lasting"), view.lasting);
  say(byId("note"), view.image.note);
  say(byId("way"), view.way);
  const list = byId("uplinks");
  const rows = view.uplinks.map((uplink) => paintRow(list, uplink));
  for (const row of [...list.children]) if (!rows.includes(row)) row.remove();
  clearTimeout(silence);
  silence = setTimeout(lost, SILENCE_MS);
}

function lost() {
  document.body.dataset.light = "unknown";
  document.title = "No contact · Porchlight";
  say(byId("headline"), "No contact");
  say(byId("why"), "This page has lost the box. If you are at home, see whether the box has power.");
}

async function ask() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    if (answer.ok) paint(await answer.json());
  } catch {
    // The silence says it.
  }
}

function listen() {
  const events = new EventSource("/events");
  events.addEventListener("status", (event) => {
    clearInterval(asking);
    asking = 0;
    paint(JSON.parse(event.data));
  });
  // A browser comes back by itself to a stream that was cut, but not to one that was refused.
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return;
    asking ||= setInterval(ask, ASK_MS);
    setTimeout(listen, 6 * ASK_MS);
  });
}

silence = setTimeout(lost, SILENCE_MS);
listen();
