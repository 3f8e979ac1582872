// One study: what was found, how it came about, what each part of the space is believed to give; live.
import { family, FAMILY_WORD, fill, h, number, plural, toast } from "./dom.js";
import { certaintyCard, workerCommand } from "./certainty.js";
import { api, follow, studyPath } from "./http.js";
import { noteBox } from "./notes.js";
import { figurePanel } from "./plots.js";
import { chatPanel } from "./chat.js";
import { progressText } from "./studies.js";
import { isBest, paramsNode, sourceTag, STATE_TAG, VERDICT_WORD, verdictList } from "./trial.js";
import { trialTable } from "./trials.js";

const GLYPH = { kept: "✓", replaced: "↺", fallback: "!", unchecked: "?", own: "" };
const trialHref = (name, t) => `#/studies/${encodeURIComponent(name)}/trials/${t.number}`;

function tile(label, value, note) {
  return h("div", { class: "card tile" }, h("span", {}, label), h("b", { class: "num" }, value), note ? h("small", {}, note) : null);
}

function gain(study) {
  const [best, base] = [study.best?.values?.[0], study.baseline?.values?.[0]];
  if (best === undefined || base === undefined || study.best.number === study.baseline.number) return null;
  const better = study.objectives[0].direction === "maximize" ? best - base : base - best;
  return `${better >= 0 ? "better" : "worse"} than the default (${number(base)}) by ${number(Math.abs(better))}`;
}

function tiles(study) {
  const objective = study.objectives[0];
  const many = study.objectives.length > 1;
  const done = study.counts.finished + study.counts.failed + study.counts.pruned;
  const kept = study.verdicts?.kept ?? 0;
  const judged = kept + (study.verdicts?.replaced ?? 0);
  return h("div", { class: "tiles" },
    tile(many ? "Pareto front" : `Best ${objective.name}`, many ? plural(study.front_size ?? 0, "trial") : number(study.best?.values?.[0]), many ? `${study.objectives.length} objectives` : [objective.unit, gain(study)].filter(Boolean).join(" · ") || objective.direction),
    tile("Trials", number(done), progressText(study)),
    tile("Running", number(study.counts.running), study.counts.waiting ? `${study.counts.waiting} waiting` : "waiting: 0"),
    tile("Failed", number(study.counts.failed), study.counts.excluded ? `${study.counts.excluded} excluded` : `pruned: ${study.counts.pruned}`),
    tile("Model’s proposals", judged ? `${kept} of ${judged}` : "–", judged ? "kept by the referee" : study.planner ? "none judged yet" : "no language model"),
    tile("Tokens", number(study.spent?.tokens ?? 0), study.budget?.tokens ? `of ${number(study.budget.tokens)}` : "no limit"));
}

// What to do while nothing was proposed: the worker's command line, whose file names the evaluator that this server never runs.
function beginning(study) {
  const command = workerCommand(study.name);
  return h("div", {}, h("p", { class: "soft" }, "No trials yet. Start a worker where the evaluation can run, or type ", h("code", {}, "/ask"), " in the chat to evaluate by hand."), h("pre", {}, h("code", {}, command)),
    h("button", { type: "button", class: "small", onclick: async () => { try { await navigator.clipboard.writeText(command); toast("Copied."); } catch { toast("Select the line and copy it.", "error"); } } }, "Copy"));
}

function ribbon(study, trials) {
  const cells = trials.map((t) => {
    const f = family(t.source);
    const best = isBest(study, t.number);
    const words = `Trial ${t.number}: ${FAMILY_WORD[f]}, ${VERDICT_WORD[t.verdict] ?? t.verdict ?? ""}, ${t.state}${t.values ? ` ${number(t.values[0])}` : ""}${best ? (study.objectives.length > 1 ? ", on the Pareto front" : ", best") : ""}`;
    return h("button", { type: "button", class: [f, t.state, best ? "best" : "", t.excluded ? "excluded" : ""].join(" "), "aria-label": words, title: words, onclick: () => { location.hash = trialHref(study.name, t); } }, best ? "★" : t.state === "failed" ? "✕" : GLYPH[t.verdict] ?? "");
  });
  const dots = ["model", "surrogate", "user", "start", "random"].filter((f) => trials.some((t) => family(t.source) === f));
  return h("section", { class: "card" }, h("h2", {}, "Who proposed what"),
    cells.length ? h("div", { class: "ribbon", role: "group", "aria-label": "Trials in order; each opens its page" }, cells) : beginning(study),
    h("div", { class: "legend" }, dots.map((f) => h("span", {}, h("i", { class: `dot ${f}` }), FAMILY_WORD[f])), cells.length ? [h("span", {}, "✓ kept"), h("span", {}, "↺ replaced"), h("span", {}, "! fallback"), h("span", {}, "✕ failed"), h("span", {}, study.objectives.length > 1 ? "★ on the Pareto front" : "★ best")] : null));
}

function decision(study, t) {
  return h("article", { class: "decision", "aria-label": `Trial ${t.number}` },
    h("a", { class: "no num", href: trialHref(study.name, t) }, `#${t.number}`),
    h("div", {}, h("div", { class: "row" }, sourceTag(t), h("span", { class: "soft" }, VERDICT_WORD[t.verdict] ?? t.verdict ?? "")),
      h("p", { class: "why" }, t.reason), paramsNode(t.params), t.hypothesis ? h("p", { class: "quote" }, t.hypothesis) : null, verdictList(t)),
    h("div", { class: "right" }, h("div", { class: "num" }, t.values ? h("b", {}, number(t.values[0])) : h("span", { class: `tag ${STATE_TAG[t.state]}` }, t.state)), t.tokens ? h("div", { class: "faint" }, `${number(t.tokens)} tokens`) : null));
}

const MOST_ROWS = 3000; // trials that the table reads: the newest ones of a longer study

// The table of all trials: read when it is first looked at, then kept by the newest page and by what the events name.
function trialsPanel(study) {
  const trials = new Map();
  const card = h("section", { class: "card" });
  const table = trialTable(study, { href: (t) => trialHref(study.name, t), sort: [0, -1] });
  const left = h("p", { class: "faint" });
  let reading = null;
  const keep = (items) => items.forEach((t) => trials.set(t.number, t));
  async function readAll() {
    let [after, total] = [0, 0];
    while (after !== null && after < MOST_ROWS) {
      const page = await api(studyPath(study.name, `/trials?newest=true&limit=1000&after=${after}`));
      keep(page.items);
      [after, total] = [page.next, page.total];
    }
    left.textContent = after === null ? "" : `These are the newest ${number(trials.size)} of ${number(total)}.`;
    fill(card, h("h2", {}, "Trials"), h("p", { class: "faint" }, "A heading sorts; two ticks compare."), left, table.node);
  }
  async function refresh(newest, changed) {
    await (reading ??= readAll().catch((error) => { reading = null; throw error; }));
    const old = changed.filter((n) => !newest.some((t) => t.number === n));
    keep(newest);
    if (old.length > 30) await readAll();
    else keep(await Promise.all(old.map((n) => api(studyPath(study.name, `/trials/${n}`)))));
    table.update([...trials.values()]);
  }
  return { card, refresh };
}

function spaceCard(study) {
  const rows = study.parameters.map((p) => h("tr", {}, h("td", {}, h("code", {}, p.name)), h("td", {}, p.type), h("td", {}, p.type === "categorical" ? p.choices.map(number).join(", ") : `${number(p.low)} … ${number(p.high)}${p.log ? ", log" : ""}${p.step ? `, step ${number(p.step)}` : ""} ${p.unit ?? ""}`),
    h("td", {}, p.default === null || p.default === undefined ? "" : number(p.default)), h("td", { class: "soft" }, p.description ?? "", p.when ? ` (when ${Object.entries(p.when).map(([k, v]) => `${k} is ${v.join(" or ")}`).join(", ")})` : "")));
  return h("section", { class: "card" }, h("h2", {}, "Search space"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Parameter", "Type", "Values", "Default", ""].map((c) => h("th", { scope: "col" }, c)))), h("tbody", {}, rows))),
    study.where?.length ? h("p", {}, "Relations: ", study.where.map((w) => [h("code", {}, w), " "])) : null,
    study.constraints.length ? h("p", {}, "Constraints: ", study.constraints.map((c) => h("code", {}, `${c.lower ?? ""}${c.lower !== null && c.lower !== undefined ? " ≤ " : ""}${c.name}${c.upper !== null && c.upper !== undefined ? " ≤ " : ""}${c.upper ?? ""} `))) : null,
    h("p", { class: "faint" }, `Seed ${study.seed} · ${study.forked_from ? `forked from ${study.forked_from} · ` : ""}a space never changes: /fork or /widen in the chat makes a study with another one.`));
}

const TABS = [["overview", "Overview"], ["decisions", "Decisions"], ["trials", "Trials"], ["space", "Space"]];

export async function studyView(main, { args: [name, tab = "overview"], crumbs, live, onLeave }) {
  crumbs([["Studies", "#/"], [name, null]]);
  let study = await api(studyPath(name));
  let newest = { items: [] };
  const [head, body] = [h("div", {}), h("div", {})];
  const panels = [];
  const many = study.objectives.length > 1;
  const histories = study.objectives.slice(0, 4).map((o, i) => ["history", many ? `History of ${o.name}` : "History and incumbent", { wide: true, query: `?objective=${i}` }]);
  const wanted = [...(many ? [["pareto", "Pareto front", { wide: true, tall: true }]] : []), ...histories, ["importances", "Which parameters matter"], ["calibration", "Was the surrogate right?"], ["parallel", "Parallel coordinates", { wide: true }], ["slices", "Slices: each parameter against the result", { wide: true }], ["sources", "From proposal to result", { wide: true }]];
  for (const [figure, title, options] of wanted) panels.push(figurePanel(name, figure, title, options));
  const strip = h("div", { style: "margin-bottom:1rem" });
  const figures = h("div", { class: "figures" }, panels.map((p) => p.card));
  const overview = h("div", {}, strip, figures);
  const list = h("section", { class: "card" });
  const table = trialsPanel(study);
  const note = noteBox(name);
  let changed = new Set(); // trials that events named since the table was last looked at
  let older = null;

  async function loadMore() {
    const page = await api(studyPath(name, `/trials?newest=true&limit=100&after=${encodeURIComponent(older)}`));
    newest.items.push(...page.items);
    older = page.next;
    paint();
  }
  const moreButton = () => (older ? h("p", {}, h("button", { class: "small", onclick: loadMore }, "Older trials")) : null);

  function paint() {
    note.update(study.note);
    fill(head, h("div", { class: "row between head" }, h("div", { class: "grow" }, h("h1", {}, study.name), study.description ? h("p", { class: "soft", style: "margin:.2rem 0 0" }, study.description) : null),
      h("div", { class: "row" }, h("button", { onclick: order, title: "Allow this many more trials to the workers" }, "Run more…"), h("button", { class: "primary", id: "report", onclick: report }, "Report"))),
    note.node, tiles(study), h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the study" }, TABS.map(([key, label]) => h("button", { role: "tab", "aria-selected": String(key === tab), "aria-controls": "panel", onclick: () => { tab = key; history.replaceState(null, "", `#/studies/${encodeURIComponent(name)}/${key}`); paint(); refreshFigures(); } }, label))));
    if (tab === "overview") { fill(strip, ribbon(study, [...newest.items].reverse()), certaintyCard(study, refresh)); figures.hidden = !newest.items.length; if (body.firstChild !== overview) fill(body, overview); }
    else if (tab === "decisions") fill(body, fill(list, h("h2", {}, "Every proposal and the referee’s answer"), newest.items.length ? newest.items.map((t) => decision(study, t)) : h("p", { class: "empty" }, "Nothing was proposed yet."), moreButton()));
    else if (tab === "trials") showTable();
    else fill(body, spaceCard(study));
  }
  async function showTable() {
    const named = [...changed];
    changed = new Set();
    if (body.firstChild !== table.card) fill(body, table.card);
    try { await table.refresh(newest.items, named); } catch (error) { toast(error.message, "error"); }
  }
  const refreshFigures = () => (tab === "overview" && newest.items.length ? Promise.all(panels.map((p) => p.refresh())) : null);
  async function refresh() {
    [study, newest] = await Promise.all([api(studyPath(name)), api(studyPath(name, "/trials?newest=true&limit=150"))]);
    older = newest.next;
    paint();
    await refreshFigures();
  }
  async function order() {
    const text = window.prompt("How many more trials may the workers run?", "10");
    if (!text) return;
    try { const made = await api(studyPath(name, "/order"), { method: "POST", body: { n: Number(text) } }); toast(`Workers may now run up to ${made.budget.trials} trials in all.`); await refresh(); } catch (error) { toast(error.message, "error"); }
  }
  async function report() {
    try {
      const page = await api(studyPath(name, "/report"));
      const link = h("a", { href: URL.createObjectURL(new Blob([page], { type: "text/html" })), download: `${name.replace(/[^\w.-]+/g, "_")}-report.html` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      toast("The report was saved as one HTML file.");
    } catch (error) { toast(error.message, "error"); }
  }

  const chat = chatPanel(name, { changed: () => refresh() });
  fill(main, head, h("div", { class: "split" }, h("div", { id: "panel", role: "tabpanel" }, body), chat.node));
  await Promise.all([refresh(), chat.load()]);
  let due = null;
  onLeave(follow(studyPath(name, "/events?from=now"), (kind, event) => { if (kind === "message") chat.load(); if (Number.isInteger(event.trial_number)) changed.add(event.trial_number); due ??= setTimeout(() => { due = null; refresh().catch(() => {}); }, 700); }, live));
  onLeave(() => { clearTimeout(due); chat.stop(); panels.forEach((p) => p.stop()); });
}
