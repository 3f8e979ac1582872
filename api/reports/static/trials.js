// The table of a study's trials, a column per parameter, as the report and the service's page show it.
import { duration, family, fill, h } from "./dom.js";
import { comparison, dataTable, long } from "./table.js";

const became = (t) => t.became ?? (t.excluded ? "excluded" : t.feasible === false ? "infeasible" : t.state);
const choice = (value) => (value === null ? "none" : typeof value === "boolean" ? String(value) : value);
const named = (thing) => (thing.unit ? `${thing.name} (${thing.unit})` : thing.name);

function why(t) {
  return [t.hypothesis && `“${t.hypothesis}”`, t.reason, t.failure && `${t.failure.kind ? `${t.failure.kind}: ` : ""}${t.failure.reason}`, t.excluded && `excluded: ${t.excluded}`].filter(Boolean).join(" ");
}

// href(trial): where a trial has a page of its own.
function trialColumns(study, href) {
  const expected = (t) => t.prediction?.mean?.[0];
  return [
    { label: "trial", class: "first", of: (t) => t.number, show: (t) => (href ? h("a", { href: href(t) }, t.number) : t.number) },
    { label: "became", of: became, show: (t) => h("span", { class: `fate ${became(t)}` }, became(t)) },
    ...study.objectives.map((o, i) => ({ label: named(o), of: (t) => t.values?.[i] })),
    ...study.constraints.map((c) => ({ label: named(c), of: (t) => t.constraints?.[c.name] })),
    { label: "note", class: "why", of: (t) => t.note, show: (t) => long(t.note) },
    ...study.parameters.map((p) => ({ label: named(p), title: p.description, class: "p", of: (t) => (p.name in t.params ? choice(t.params[p.name]) : null) })),
    { label: "proposed by", of: (t) => t.source, show: (t) => [h("i", { class: `dot ${family(t.source)}` }), " ", t.source] },
    { label: "verdict", of: (t) => t.verdict },
    { label: "expected", title: "what the surrogate expected before the trial ran", of: expected },
    { label: "± sd", of: (t) => t.prediction?.sd?.[0] },
    { label: "took", of: (t) => t.seconds, show: (t) => duration(t.seconds) },
    { label: "cost", of: (t) => t.cost },
    { label: "why", class: "why", of: why, show: (t) => long(why(t)) },
  ];
}

export function trialTable(study, { href = null, sort = [0, 1] } = {}) {
  const side = h("div", { "aria-live": "polite" });
  const columns = trialColumns(study, href);
  const table = dataTable({ columns, key: (t) => t.number, noun: "trial", sort, picks: 2, pickLabel: "Compare trial",
    picked: (two) => fill(side, two.length === 2 ? comparison(columns, two) : two.length ? h("p", { class: "hint" }, `Trial ${two[0].number} is chosen; choose another one to compare.`) : null) });
  return { ...table, node: h("div", {}, side, table.node) };
}
