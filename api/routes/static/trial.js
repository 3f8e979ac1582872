// One trial: what was decided and why, what was believed, what came of it, and the log when it failed.
import { ago, duration, family, FAMILY_WORD, fill, h, number, plural, toast } from "./dom.js";
import { api, follow, studyPath } from "./http.js";
import { noteBox } from "./notes.js";
import { beliefCurve } from "./plots.js";

export const STATE_TAG = { finished: "good", failed: "bad", pruned: "warn", running: "", waiting: "" };
export const VERDICT_WORD = { kept: "kept by the referee", replaced: "replaced by the surrogate", own: "the surrogate's own", unchecked: "not checked", fallback: "fallback: no usable proposal" };

export function paramsNode(params) {
  return h("div", { class: "params" }, Object.entries(params ?? {}).map(([k, v]) => h("span", {}, k, " ", h("b", {}, number(v)))));
}

export function sourceTag(trial) {
  const f = family(trial.source);
  return h("span", { class: "tag" }, h("i", { class: `dot ${f}` }), f === "model" ? trial.source : FAMILY_WORD[f]);
}

const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));

function resultCard(trial, study) {
  const rows = (trial.values ?? []).map((v, i) => [study.objectives[i]?.name ?? `value ${i}`, h("b", { class: "num" }, number(v), " ", h("span", { class: "soft" }, study.objectives[i]?.unit ?? ""))]);
  for (const [name, value] of Object.entries(trial.constraints ?? {})) rows.push([name, h("span", {}, number(value))]);
  for (const [name, value] of Object.entries(trial.metrics ?? {})) rows.push([name, number(value)]);
  return h("section", { class: "card" }, h("h2", {}, "Result"),
    rows.length ? facts([...rows, ["took", duration(trial.seconds)], ["cost", trial.cost === null ? null : number(trial.cost)], ["feasible", trial.feasible === false ? "no: a constraint is broken" : null]]) : h("p", { class: "soft" }, trial.state === "running" ? "Being evaluated." : "No measurement."));
}

function beliefCard(trial) {
  const belief = trial.prediction;
  if (!belief?.mean?.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "What the surrogate expected"), beliefCurve(belief.mean[0], belief.sd[0], trial.values?.[0]),
    h("p", { class: "faint" }, `${number(belief.mean[0])} ± ${number(belief.sd[0])}${belief.p_feasible < 1 ? ` · feasible with ${Math.round(100 * belief.p_feasible)} %` : ""}`, trial.values ? " · the upright line is the measurement" : ""));
}

function verdictNode(v) {
  return h("div", { class: `quote${v.kept ? "" : " rejected"}` },
    h("span", { class: `tag ${v.kept ? "good" : "warn"}` }, v.kept ? "kept" : "not kept"), " ", v.hypothesis || "", " ", h("span", { class: "soft" }, v.reason), v.kept ? null : paramsNode(v.params));
}

// What was kept stands open; what was not is one line that opens, so that a long list stays readable.
export function verdictList(trial, { open = false } = {}) {
  const [kept, not] = [(trial.verdicts ?? []).filter((v) => v.kept), (trial.verdicts ?? []).filter((v) => !v.kept)];
  return [kept.map(verdictNode), not.length ? h("details", { class: "verdicts", open }, h("summary", {}, `${plural(not.length, "proposal")} not kept`), not.map(verdictNode)) : null];
}

export const isBest = (study, number) => (study.objectives.length > 1 ? study.front.includes(number) : study.best?.number === number);

function decisionCard(trial) {
  return h("section", { class: "card" }, h("h2", {}, "Decision"),
    facts([["proposed by", sourceTag(trial)], ["verdict", VERDICT_WORD[trial.verdict] ?? trial.verdict], ["because", trial.reason], ["hypothesis", trial.hypothesis], ["tokens", trial.tokens || null], ["notes", (trial.notes ?? []).join("; ")]]), verdictList(trial, { open: true }));
}

export async function trialView(main, { args: [name, no], crumbs, live, onLeave }) {
  const home = `#/studies/${encodeURIComponent(name)}`;
  crumbs([["Studies", "#/"], [name, home], [`Trial ${no}`, null]]);
  let study = await api(studyPath(name));
  const note = noteBox(name, Number(no));
  async function change(verb) {
    const reason = verb === "exclude" ? window.prompt("Why should this trial not count?", "") : "";
    if (reason === null) return;
    try { await api(studyPath(name, `/trials/${no}/${verb}`), { method: "POST", body: { reason } }); await load(); } catch (error) { toast(error.message, "error"); }
  }
  async function load() {
    const trial = await api(studyPath(name, `/trials/${no}`));
    study = await api(studyPath(name));
    note.update(trial.note);
    const best = isBest(study, trial.number);
    const last = study.counts.finished + study.counts.failed + study.counts.pruned + study.counts.running - 1;
    fill(main, h("div", { class: "row between" },
      h("div", { class: "row" }, h("h1", {}, `Trial ${trial.number}`), h("span", { class: `tag ${STATE_TAG[trial.state]}` }, trial.state), best ? h("span", { class: "tag good" }, study.objectives.length > 1 ? "★ on the Pareto front" : "★ best") : null, trial.excluded ? h("span", { class: "tag warn wrap" }, `excluded: ${trial.excluded}`) : null, h("span", { class: "faint" }, ago(trial.ended_at ?? trial.asked_at), trial.worker ? ` · ${trial.worker}` : "")),
      h("div", { class: "row" }, trial.number > 0 ? h("a", { class: "button small", href: `${home}/trials/${trial.number - 1}` }, "← Previous") : null, trial.number < last ? h("a", { class: "button small", href: `${home}/trials/${trial.number + 1}` }, "Next →") : null,
        trial.state === "running" ? null : h("button", { class: "small", onclick: () => change(trial.excluded ? "restore" : "exclude") }, trial.excluded ? "Count it again" : "Exclude…"))),
    note.node, h("p", {}), h("div", { class: "figures" },
      trial.failure ? h("section", { class: "card wide failure" }, h("h2", {}, `Failed: ${trial.failure.kind}`), h("pre", {}, trial.failure.reason)) : null,
      h("section", { class: "card" }, h("h2", {}, "Parameters"), facts(Object.entries(trial.params).map(([k, v]) => [k, h("code", {}, number(v))]))),
      resultCard(trial, study), decisionCard(trial), beliefCard(trial)));
  }
  await load();
  onLeave(follow(studyPath(name, "/events?from=now"), (kind, e) => { if (kind === "open" || e.trial_number === Number(no)) load(); }, live));
}
