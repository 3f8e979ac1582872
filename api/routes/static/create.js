// A new study: from fields, or from a TOML specification. No evaluator is named here: a worker names its own.
import { fill, h, toast } from "./dom.js";
import { api } from "./http.js";

const field = (label, node) => h("label", {}, label, node);

function parameterRow(onRemove) {
  const kind = h("select", { name: "type" }, ["float", "int", "categorical"].map((t) => h("option", {}, t)));
  const inputs = {
    name: h("input", { required: true, placeholder: "C", pattern: "[A-Za-z_][A-Za-z0-9_.\\-]*" }), low: h("input", { placeholder: "0.001" }), high: h("input", { placeholder: "1000" }),
    choices: h("input", { placeholder: "linear, rbf" }), log: h("input", { type: "checkbox" }), preset: h("input", { placeholder: "optional" }),
  };
  const row = h("div", { role: "group", "aria-label": "Parameter" });
  function layout() {
    const range = kind.value !== "categorical";
    row.className = range ? "param-row" : "param-row choices";
    fill(row, field("Name", inputs.name), field("Type", kind),
      range ? [field("Low", inputs.low), field("High", inputs.high), field("Log", inputs.log)] : field("Choices, by comma", inputs.choices), field("Default", inputs.preset),
      h("button", { type: "button", class: "plain", "aria-label": "Remove this parameter", onclick: () => { row.remove(); onRemove(row); } }, "✕"));
  }
  kind.addEventListener("change", layout);
  layout();
  row.read = () => {
    const out = { name: inputs.name.value.trim(), type: kind.value };
    if (kind.value === "categorical") out.choices = inputs.choices.value.split(",").map((c) => c.trim()).filter(Boolean);
    else Object.assign(out, { low: Number(inputs.low.value), high: Number(inputs.high.value), ...(inputs.log.checked ? { log: true } : {}) });
    if (inputs.preset.value.trim()) out.default = kind.value === "categorical" ? inputs.preset.value.trim() : Number(inputs.preset.value);
    return out;
  };
  return row;
}

function named(list) {
  const out = {};
  for (const { name, ...definition } of list) {
    if (name in out) throw new Error(`Two parameters are called “${name}”.`);
    out[name] = definition;
  }
  return out;
}

function fieldsForm(about) {
  const name = h("input", { name: "name", required: true, maxlength: 100, placeholder: "svm-digits" });
  const description = h("textarea", { name: "description", placeholder: "What is tuned, on what data, and what matters. A language model reads this." });
  const objective = h("input", { name: "objective", required: true, value: "score" });
  const direction = h("select", { name: "direction" }, h("option", {}, "maximize"), h("option", {}, "minimize"));
  const budget = h("input", { name: "budget", type: "number", min: 1, value: 30 });
  const seed = h("input", { name: "seed", type: "number", min: 0, value: 0 });
  const planner = h("select", { name: "planner" }, ["none", ...about.planners].map((p) => h("option", {}, p)));
  const rows = h("div", {});
  const addRow = () => { const row = parameterRow(() => {}); rows.append(row); return row; };
  addRow();
  const node = h("div", {},
    h("fieldset", {}, h("legend", {}, "Problem"), h("div", { class: "fields" }, field("Name", name), field("Objective", objective), field("Direction", direction)), h("p", {}), field("Description", description)),
    h("fieldset", {}, h("legend", {}, "Parameters"), rows, h("button", { type: "button", class: "small", onclick: () => addRow().querySelector("input").focus() }, "+ Parameter")),
    h("fieldset", {}, h("legend", {}, "Study"), h("div", { class: "fields" }, field("Trials", budget), field("Seed", seed), field("Language model", planner))));
  const read = () => ({
    name: name.value.trim(), seed: Number(seed.value), planner: planner.value === "none" ? null : planner.value, budget: { trials: Number(budget.value) },
    problem: { name: name.value.trim(), description: description.value, objectives: [{ name: objective.value.trim(), direction: direction.value }], space: { parameters: named([...rows.children].map((r) => r.read())) } },
  });
  return { node, read };
}

function tomlForm() {
  const text = h("textarea", { class: "code", name: "toml", spellcheck: "false", "aria-label": "TOML specification",
    value: '[study]\nname = "svm-digits"\nbudget = { trials = 30 }\n\n[problem]\ndescription = "RBF or linear SVM on the digits images"\nobjectives = [{ name = "accuracy", direction = "maximize" }]\n\n[parameters.C]\ntype = "float"\nlow = 1e-3\nhigh = 1e3\nlog = true\n' });
  return { set: (toml) => { text.value = toml; text.focus(); text.setSelectionRange(0, 0); text.scrollTop = 0; }, node: h("div", {}, text, h("p", { class: "faint" }, "The same file that ", h("code", {}, "trialogue run"), " takes, without its [evaluator] part: the server never runs anything.")), read: () => ({ toml: text.value }) };
}

// Words, a script's --help or a whole specification become a draft in the TOML tab; nothing is made before it was looked at.
function draftCard(take) {
  const text = h("textarea", { id: "draft-text", maxlength: 20000, "aria-describedby": "draft-hint", placeholder: "Minimize the loss with lr from 1e-5 to 0.1 log, layers 1 to 8 and optimizer: adam, sgd or lion" });
  const button = h("button", { type: "submit" }, "Draft");
  const guesses = h("div", { role: "status" });
  async function draft(event) {
    event.preventDefault();
    if (!text.value.trim()) return text.focus();
    button.disabled = true;
    try {
      const made = await api("v1/draft", { method: "POST", body: { text: text.value } });
      take(made.toml);
      fill(guesses, h("p", { class: "soft", style: "margin:.6rem 0 0" }, made.guesses.length ? ["Drafted below. Guessed, so look at them: ", made.guesses.map((g) => [h("code", {}, g), " "])] : "Drafted below; look it over before you create it."));
    } catch (error) { fill(guesses, h("p", { class: "tag bad wrap", role: "alert" }, error.message)); } finally { button.disabled = false; }
  }
  return h("form", { class: "card draft", "aria-label": "Draft from words", onsubmit: draft }, h("h2", {}, h("label", { for: "draft-text", class: "plain-label" }, "Start from words")),
    h("p", { class: "soft", id: "draft-hint" }, "Describe the problem in a sentence, paste what a script prints with ", h("code", {}, "--help"), ", or paste a TOML file. Nothing is run, and no model reads it."), text, h("p", {}), button, guesses);
}

export async function createView(main, { crumbs }) {
  crumbs([["Studies", "#/"], ["New study", null]]);
  const about = await api("v1/about");
  const forms = { fields: fieldsForm(about), toml: tomlForm() };
  let mode = "fields";
  const place = h("div", {});
  const problem = h("p", { role: "alert", class: "tag bad wrap", hidden: true });
  const tabs = h("div", { class: "tabs", role: "tablist" }, [["fields", "Fields"], ["toml", "TOML"]].map(([key, label]) => h("button", { type: "button", role: "tab", "data-mode": key, onclick: () => show(key) }, label)));
  function show(key) {
    mode = key;
    for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.mode === key));
    fill(place, forms[key].node);
  }
  async function submit(event) {
    event.preventDefault();
    problem.hidden = true;
    try {
      const made = await api("v1/studies", { method: "POST", body: forms[mode].read() });
      toast(`Created ${made.name}`);
      location.hash = `#/studies/${encodeURIComponent(made.name)}`;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }
  fill(main, h("h1", {}, "New study"), h("p", { class: "soft" }, "Say what may be changed and what is measured. Workers then pull trials and report results."),
    draftCard((toml) => { show("toml"); forms.toml.set(toml); }), h("p", {}),
    h("form", { class: "card", "aria-label": "New study", onsubmit: submit }, tabs, place, problem, h("p", {}), h("div", { class: "row" }, h("button", { class: "primary" }, "Create study"), h("a", { class: "button", href: "#/" }, "Cancel"))));
  show("fields");
}
