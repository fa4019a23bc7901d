"use strict";
// Conveniences only: every page does its work without them.

// Addresses name only the filters that are set.
for (const form of document.querySelectorAll("form.history-asks")) {
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("input, select")) {
      if (field.value === "") field.disabled = true;
    }
  });
}
// Coming back by the browser's button must find the fields usable again.
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form.history-asks :disabled")) field.disabled = false;
});

// On a narrow screen the filters start folded, unless something is set or wrong.
const filters = document.querySelector("details.history-filters");
if (filters && !filters.hasAttribute("data-set") && window.matchMedia("(max-width: 640px)").matches) {
  filters.open = false;
}

// Paper cannot be unfolded.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".history details:not(.history-filters)")) details.open = true;
});
