"use strict";
// An editor in place of the plain text field, which goes on holding what is sent. Its styles are a file of their own,
// since the Content-Security-Policy allows no others.
(() => {
  const field = document.querySelector("textarea#blob");
  if (!field || !window.ace) return;
  ace.config.set("useStrictCSP", true);
  ace.config.set("loadWorkerFromBlob", false);
  const box = document.createElement("div");
  box.id = "editor";
  box.className = "release-editor";
  field.after(box);
  field.hidden = true;
  const editor = ace.edit(box, {
    enableKeyboardAccessibility: true,
    fontSize: 13,
    minLines: 12,
    maxLines: Math.max(16, Math.floor((window.innerHeight * 0.75) / 17)),
    mode: new (ace.require("ace/mode/json").Mode)(),
    showPrintMargin: false,
    tabSize: 2,
    textInputAriaLabel: "Document (JSON)",
    useSoftTabs: true,
    useWorker: false,
    value: field.value,
  });
  editor.renderer.setTheme({ cssClass: "release-ace", cssText: "", isDark: false });
  const session = editor.getSession();
  session.getUndoManager().reset();
  field.labels[0]?.addEventListener("click", () => editor.focus());

  // Marks at the lines of what the server refused, and of a slip while one types.
  const refused = Array.from(document.querySelectorAll("#troubles [data-line]"), (item) => ({
    row: Number(item.dataset.line) - 1, column: 0, text: item.dataset.message, type: "error",
  }));
  const slip = () => {
    const text = editor.getValue();
    try {
      if (text.trim() !== "") JSON.parse(text);
      return [];
    } catch (error) {
      const line = /line (\d+)/.exec(error.message)?.[1];
      const offset = /position (\d+)/.exec(error.message)?.[1];
      const row = line ? Number(line) - 1 : offset ? session.getDocument().indexToPosition(Number(offset), 0).row : session.getLength() - 1;
      return [{ row, column: 0, text: error.message, type: "error" }];
    }
  };
  let waiting = 0;
  session.on("change", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => session.setAnnotations([...refused, ...slip()]), 400);
  });
  session.setAnnotations(refused);
  const go = (line) => { editor.gotoLine(line, 0, false); editor.scrollToLine(line - 1, true, false); editor.focus(); };
  for (const link of document.querySelectorAll("a[data-go]")) {
    link.addEventListener("click", (event) => { event.preventDefault(); go(Number(link.dataset.go)); });
  }

  // A file is shown before it is sent; about one that is too large the server says so.
  const upload = document.querySelector("#upload");
  upload?.addEventListener("change", async () => {
    const file = upload.files[0];
    if (!file || (upload.dataset.most && file.size > Number(upload.dataset.most))) return;
    editor.setValue(await file.text(), -1);
    upload.value = "";
  });
  field.form.addEventListener("submit", () => { field.value = editor.getValue(); });
})();
