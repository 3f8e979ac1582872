// The note of a study or a trial: shown, changed in place, and left alone while somebody types.
import { fill, h, toast } from "./dom.js";
import { api, studyPath } from "./http.js";

export function noteBox(study, trial = null) {
  const node = h("div", { class: "note" });
  let text = "";
  let editing = false;
  const show = () => fill(node, text ? h("p", {}, text) : null, h("button", { type: "button", class: "small", onclick: edit }, text ? "Change the note" : "Add a note"));
  function edit() {
    editing = true;
    const area = h("textarea", { maxlength: "2000", "aria-label": "Note", value: text });
    const close = () => { editing = false; show(); };
    const save = async () => {
      try { text = (await api(studyPath(study, "/note"), { method: "POST", body: { text: area.value, trial } })).text; close(); } catch (error) { toast(error.message, "error"); }
    };
    area.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); else if (event.key === "Enter" && event.ctrlKey) save(); });
    fill(node, area, h("div", { class: "row" }, h("button", { type: "button", class: "small primary", onclick: save }, "Save the note"), h("button", { type: "button", class: "small", onclick: close }, "Cancel")));
    area.focus();
  }
  return { node, update: (now) => { if (!editing) { text = now ?? ""; show(); } } };
}
