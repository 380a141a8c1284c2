// Filters for the calls and findings: without this the page lacks only them. And what an older browser, which can't be
// told so by the style sheet, must do to print everything.
"use strict";
(function () {
  if (!CSS.supports("selector(::details-content)")) {
    window.addEventListener("beforeprint", () => {
      for (const fold of document.querySelectorAll("details")) { fold.open = true; }
    });
  }
  const bar = document.getElementById("filters");
  if (!bar) { return; }
  const field = (id) => document.getElementById(id);
  const [text, action, impact, mark] = ["text", "action", "impact", "mark"].map(field);
  const words = (node) => node.textContent.toLowerCase();
  const accounts = Array.from(document.querySelectorAll(".account"), (node) => ({
    node,
    head: words(node.querySelector("header")),
    steps: Array.from(node.querySelectorAll(".step"), (step) => ({ step, text: null })),
  }));
  const findings = Array.from(document.querySelectorAll(".finding"), (node) => ({ node, text: words(node) }));
  const steps = accounts.reduce((sum, account) => sum + account.steps.length, 0);
  const number = (count) => count.toLocaleString("en");

  function wanted(step) {
    const data = step.dataset;
    return (!action.value || data.action === action.value) && (!impact.value || data.impact === impact.value)
      && (!mark.value || (data.marks ?? "").split(" ").includes(mark.value));
  }

  function filter() {
    const sought = text.value.trim().toLowerCase();
    let calls = 0;
    let shown = 0;
    for (const account of accounts) {
      const whole = account.head.includes(sought);
      let any = false;
      for (const one of account.steps) {
        let fits = wanted(one.step);
        if (fits && !whole) {
          one.text ??= words(one.step);
          fits = one.text.includes(sought);
        }
        one.step.parentNode.classList.toggle("off", !fits);
        any ||= fits;
        calls += fits;
      }
      account.node.classList.toggle("off", !any);
      shown += any;
    }
    for (const one of findings) { one.node.classList.toggle("off", !one.text.includes(sought)); }
    field("shown").textContent = calls === steps ? "" :
      `${number(calls)} of ${number(steps)} calls, ${number(shown)} of ${number(accounts.length)} accounts`;
  }

  function open() {
    const all = accounts.flatMap((account) => account.steps.map((one) => one.step));
    const opening = field("open").textContent === "Open all";
    for (const step of all) { step.open = opening; }
    field("open").textContent = opening ? "Close all" : "Open all";
  }

  // A link from the head of the page leads to an open call, even if a filter had hidden it.
  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    if (!(target instanceof HTMLDetailsElement)) { return; }
    if (target.parentNode.classList.contains("off")) {
      for (const each of [text, action, impact, mark]) { each.value = ""; }
      filter();
    }
    target.open = true;
    target.scrollIntoView();
  }

  let waiting = 0;
  text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 80); });
  for (const each of [action, impact, mark]) { each.addEventListener("change", filter); }
  field("open").addEventListener("click", open);
  window.addEventListener("hashchange", reveal);
  bar.hidden = false;
  reveal();
  // A browser may have kept what was typed before the page was loaded again.
  if (text.value || action.value || impact.value || mark.value) { filter(); }
})();
