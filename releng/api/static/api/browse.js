"use strict";
// Sends what the forms of a browsed address say, and shows the answer beside them. Without scripts there is curl.
(() => {
  const told = async (answer) => {
    const names = ["X-Data-Version", "ETag", "X-Dry-Run", "Location", "Retry-After"];
    const headers = names.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
    return [`${answer.status} ${answer.statusText}`, ...headers, "", shown].join("\n");
  };

  const send = async (form, isTrial) => {
    const to = new URL(form.dataset.to, window.location.href);
    for (const field of form.querySelectorAll("[data-argument]")) {
      if (field.value) to.searchParams.set(field.dataset.argument, field.value);
    }
    if (isTrial) to.searchParams.set("dry_run", "1");
    const headers = { "Accept": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
    const why = form.querySelector("[data-why]").value;
    if (why) headers["X-Change-Reason"] = why;
    const body = form.querySelector("[data-body]")?.value;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return told(await fetch(to, { method: form.dataset.send, headers, body }));
  };

  for (const form of document.querySelectorAll("form[data-send]")) {
    const output = form.querySelector("[role=status]");
    const buttons = form.querySelectorAll("button");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      for (const button of buttons) button.disabled = true;
      output.hidden = false;
      output.textContent = "Sent; waiting for the answer.";
      try {
        output.textContent = await send(form, event.submitter?.value === "try");
      } catch (error) {
        output.textContent = `No answer: ${error.message}`;
      }
      for (const button of buttons) button.disabled = false;
    });
  }
})();
