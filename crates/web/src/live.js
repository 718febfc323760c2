// Follows what happens: when the server says that something changed, the marked part of the page is fetched again.
"use strict";
const part = document.querySelector("[data-live]");
if (part && window.EventSource) {
  const refresh = async () => {
    const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const text = await answer.text();
    if (!part.dataset.part) { part.innerHTML = text; return; }
    const found = new DOMParser().parseFromString(text, "text/html").getElementById(part.dataset.part);
    if (found) part.replaceChildren(found);
  };
  const events = new EventSource("/live");
  events.addEventListener("apps", refresh);
  // After an interruption something may have been missed.
  events.addEventListener("open", refresh);
}
