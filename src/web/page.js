// Puts in place what has changed, without loading the page again: where one reads, and what one has marked, stays.
// Without this script the page loads itself again (a meta element within noscript).
"use strict";

const EVERY_MS = 5000;
const WITHIN_MS = 10000;
const lost = document.getElementById("lost");
let since = null;

async function update() {
  try {
    const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(WITHIN_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["header", "main"]) {
      const here = document.querySelector(part);
      const there = next.querySelector(part);
      if (here && there && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
    }
    document.title = next.title;
    since = null;
    lost.textContent = "";
  } catch {
    since ??= new Date();
    lost.textContent = `No answer since ${since.toLocaleTimeString()}: what stands here may be old.`;
  }
}

async function run() {
  if (!document.hidden) await update();
  setTimeout(run, EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || update());
setTimeout(run, EVERY_MS);
