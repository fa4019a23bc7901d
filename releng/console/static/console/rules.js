"use strict";
// Conveniences only: the list and the form do their work without them.
(() => {
  for (const item of document.querySelectorAll("[data-shown-by-script]")) item.hidden = false;

  // On a narrow screen the filters start folded, unless something is set; going to them opens them.
  const folded = document.querySelector("details.rule-filters");
  if (folded && !folded.hasAttribute("data-set") && window.matchMedia("(max-width: 760px)").matches) folded.open = false;

  // What one may do with a rule opens over the list; one at a time, and gone with Escape or a click elsewhere.
  const opened = () => document.querySelectorAll(".rule-do details[open]");
  const close = (kept) => { for (const menu of opened()) if (!menu.contains(kept)) menu.open = false; };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of opened()) { menu.open = false; if (menu.contains(document.activeElement)) menu.querySelector("summary").focus(); }
  });

  // Paper cannot be unfolded.
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("table.rules td:not(.rule-do) details, .rule-tools details")) details.open = true;
  });

  // Addresses name only the filters that are set.
  const filters = document.querySelector("form.filters");
  filters?.addEventListener("submit", () => {
    for (const field of filters.querySelectorAll("input, select")) if (field.value === "") field.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    for (const field of filters?.querySelectorAll(":disabled") ?? []) field.disabled = false;
  });

  const later = (act, pause = 300) => {
    let timer = 0;
    return (...given) => { window.clearTimeout(timer); timer = window.setTimeout(() => act(...given), pause); };
  };

  // Names of releases come while one types: there are too many for the page.
  const list = document.querySelector("datalist#releases[data-url]");
  for (const field of list ? document.querySelectorAll("input[data-releases]") : []) {
    field.addEventListener("input", later(async () => {
      const asked = new URLSearchParams({ app_label: "rules", model_name: "rule", field_name: "mapping", term: field.value });
      const answer = await fetch(`${list.dataset.url}?${asked}`);
      if (!answer.ok) return;
      const found = await answer.json();
      list.replaceChildren(...found.results.map((entry) => new Option("", entry.id)));
    }));
  }
})();
