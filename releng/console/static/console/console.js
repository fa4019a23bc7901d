"use strict";
// Conveniences only: every page does its work without them.
(() => {
  const typing = (target) => target.closest("input, textarea, select, [contenteditable], .cm-editor, .CodeMirror") !== null;
  const rows = () => Array.from(document.querySelectorAll("[data-row], #result_list tbody tr")).filter((row) => row.offsetParent !== null);
  let here = -1;
  let going = false;

  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    all[here]?.classList.remove("console-here");
    here = Math.max(0, Math.min(all.length - 1, here + step));
    const row = all[here];
    row.classList.add("console-here");
    row.setAttribute("data-row", "");
    (row.querySelector("a[href]") ?? row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  const search = () => {
    const field = document.querySelector("[data-search], #searchbar");
    field?.focus();
    field?.select?.();
    return field !== null;
  };
  const open = (digit) => {
    const link = document.querySelectorAll(".console-bar a")[digit - 1];
    if (link) window.location.assign(link.href);
    return Boolean(link);
  };
  const keys = { "/": search, j: () => move(1), k: () => move(-1), "?": () => document.querySelector("#console-help")?.showModal() };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if (going && /^[1-9]$/.test(event.key)) { going = false; if (open(Number(event.key))) event.preventDefault(); return; }
    going = event.key === "g";
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (act) { event.preventDefault(); act(); }
  });

  // Buttons that copy are shown only here, where they can work.
  for (const button of document.querySelectorAll("button[data-copy], button[data-copy-from]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
      const words = button.textContent;
      try {
        await navigator.clipboard.writeText(source ? source.value ?? source.textContent : button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Could not copy";
      }
      window.setTimeout(() => { button.textContent = words; }, 1500);
    });
  }

  // The admin's fields that search while one types draw a box of their own, to which they give no name.
  const nameBoxes = () => {
    for (const box of document.querySelectorAll("select.select2-hidden-accessible + .select2 [role=combobox]:not([aria-label])")) {
      const field = box.closest(".select2").previousElementSibling;
      box.setAttribute("aria-label", field.labels[0]?.textContent.replace(/:\s*$/, "") ?? field.name);
      const text = box.querySelector("[role=textbox]");
      for (const wrong of ["role", "aria-readonly"]) text?.removeAttribute(wrong);
    }
  };
  if (document.querySelector("select.admin-autocomplete")) {
    new MutationObserver(nameBoxes).observe(document.body, { childList: true, subtree: true });
    nameBoxes();
  }

  // A form that was sent once is not sent twice by an impatient second click; long work says that it runs.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (event.submitter?.formTarget === "_blank") return; // this page stays, to be sent later
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "yes";
      event.submitter?.setAttribute("aria-busy", "true");
    });
  }
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    }
  });
})();
