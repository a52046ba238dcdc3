// The page works without this file: every form is answered by a whole page. With it, answers come in place.
"use strict";
(() => {
  const running = new Map();

  const send = async (form) => {
    const id = form.dataset.into;
    const place = document.getElementById(id);
    const state = document.getElementById(`${id}-state`);
    running.get(id)?.abort();
    const stop = new AbortController();
    running.set(id, stop);
    const began = performance.now();
    const waiting = setTimeout(() => { if (state) state.textContent = "Computing…"; }, 250);
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "x-fragment": "1" },
        signal: stop.signal,
      });
      if (answer.redirected) { location.reload(); return; }
      const open = place.querySelector("details.basis")?.open;
      place.innerHTML = await answer.text();
      const basis = place.querySelector("details.basis");
      if (basis && open) basis.open = true;
      if (state) state.textContent = `Answered in ${((performance.now() - began) / 1000).toFixed(1)} s.`;
      place.dataset.answered = String(Math.round(performance.now() - began));
      place.dataset.count = String(Number(place.dataset.count || 0) + 1);
    } catch (error) {
      if (error.name !== "AbortError" && state) state.textContent = "The service did not answer. Try again.";
    } finally {
      clearTimeout(waiting);
      if (running.get(id) === stop) running.delete(id);
    }
  };

  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.into) return;
    event.preventDefault();
    send(event.target);
  });

  let pause = 0;
  document.addEventListener("input", (event) => {
    const told = event.target.closest("label")?.querySelector("output");
    if (told) told.textContent = Number(Number(event.target.value).toPrecision(3)).toString();
    const form = event.target.form;
    if (!form || !("live" in form.dataset)) return;
    clearTimeout(pause);
    pause = setTimeout(() => send(form), 120);
  });
})();
