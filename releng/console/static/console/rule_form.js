"use strict";
// The form of a rule: what would happen is asked while one types. Without this the same is told at saving.
(() => {
  const place = document.querySelector(".rule-form[data-check]");
  const form = place?.closest("form");
  if (!form) return;
  const within = (name) => form.querySelector(`[${name}]`);
  const fields = Array.from(place.querySelectorAll("[data-field]"));

  const element = (tag, text, className = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  // --- What each field is told
  const tell = (box, errors, warnings) => {
    const field = box.querySelector("input, select, textarea");
    box.querySelector(".errorlist")?.remove();
    const odd = box.querySelector(".rule-odd");
    if (errors.length > 0) {
      const list = document.createElement("ul");
      list.className = "errorlist";
      list.id = `${field.id}_error`;
      list.append(...errors.map((text) => element("li", text)));
      odd.before(list);
      field.setAttribute("aria-invalid", "true");
    } else {
      field.removeAttribute("aria-invalid");
    }
    odd.replaceChildren(...warnings.map((text) => element("li", text)));
    box.classList.toggle("rule-field--wrong", errors.length > 0);
    const told = [`${field.id}_helptext`, errors.length > 0 ? `${field.id}_error` : "", warnings.length > 0 ? odd.id : ""];
    field.setAttribute("aria-describedby", told.filter((id) => id && document.getElementById(id)).join(" "));
  };

  // --- Fields that clients of the product never send are folded away, in the order in which they stand
  const fold = (silent) => {
    for (const group of place.querySelectorAll(".rule-fieldset")) {
      const own = fields.filter((box) => group.contains(box));
      const [shown, folded] = group.querySelectorAll(".rule-fields");
      const details = group.querySelector(".rule-silent");
      const names = [];
      for (const box of own) {
        const away = silent.includes(box.dataset.field) && !box.contains(document.activeElement);
        const home = away ? folded : shown;
        if (box.parentElement !== home || home.lastElementChild !== box) home.append(box);
        if (away) names.push(box.querySelector("label").textContent.toLowerCase());
      }
      details.hidden = names.length === 0;
      details.querySelector("[data-labels]").textContent = names.join(", ");
      details.querySelector("[data-product]").textContent = document.querySelector("#id_product").value || "this product";
    }
  };

  // --- What would happen
  const change = (one) => {
    const item = document.createElement("li");
    const arrow = element("span", " → ");
    arrow.setAttribute("aria-hidden", "true");
    item.append(element("b", one.label), " ", element("del", one.old, "removed"), arrow, element("span", " becomes ", "visually-hidden"), element("ins", one.new, "added"));
    return item;
  };
  const announce = (said) => {
    const wrong = Object.keys(said.errors).length;
    const problems = within("data-problems");
    const texts = [...said.problems];
    if (wrong > 0) texts.push(wrong === 1 ? "One field is wrong." : `${wrong} fields are wrong.`);
    problems.textContent = texts.join(" ");
    problems.hidden = texts.length === 0;
    const changes = within("data-changes");
    changes.querySelector("ul").replaceChildren(...said.changes.map(change));
    changes.hidden = said.changes.length === 0;
    within("data-who").textContent = said.needed.join(", ");
    within("data-needed").hidden = said.needed.length === 0;
    within("data-free").hidden = said.needed.length > 0;
  };

  // The main button is the one that will work; Enter presses the first.
  const arrange = (scheduled) => {
    const save = within("data-save");
    const schedule = within("data-schedule");
    if (!save) return;
    const [main, other] = scheduled ? [schedule, save] : [save, schedule];
    if (document.activeElement !== save && document.activeElement !== schedule) main.parentElement.prepend(main, " ", other);
    main.classList.remove("button--quiet");
    other.classList.add("button--quiet");
    save.hidden = scheduled;
  };

  let asked = 0;
  const check = async () => {
    const mine = ++asked;
    let said;
    try {
      const answer = await fetch(place.dataset.check, { method: "POST", body: new FormData(form) });
      if (!answer.ok || mine !== asked) return;
      said = await answer.json();
    } catch {
      return; // the form works without; saving tells the same
    }
    if (mine !== asked) return;
    for (const box of fields) {
      const name = box.dataset.field;
      tell(box, said.errors[name] ?? [], said.warnings[name] ?? []);
    }
    fold(said.silent);
    announce(said);
    arrange(said.needed.length > 0);
    form.dataset.checked = String(mine);
  };

  let timer = 0;
  const soon = () => { window.clearTimeout(timer); timer = window.setTimeout(check, 300); };
  place.addEventListener("input", soon);
  place.addEventListener("change", soon);

  // What is chosen beside a stale field goes into the field.
  for (const radio of form.querySelectorAll("input[type=radio][data-fills]")) {
    radio.addEventListener("change", () => {
      document.getElementById(radio.dataset.fills).value = radio.value;
      form.elements[radio.name.replace("choose-", "shown-")].value = radio.value;
      soon();
    });
  }
})();
