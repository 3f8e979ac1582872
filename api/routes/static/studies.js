// The list of studies: best value, budget, who proposed what.
import { ago, family, fill, FAMILY_WORD, h, number, plural } from "./dom.js";
import { api, follow } from "./http.js";

export function sourceBar(study) {
  const counts = {};
  for (const [source, n] of Object.entries(study.sources ?? {})) counts[family(source)] = (counts[family(source)] ?? 0) + n;
  const total = Object.values(counts).reduce((a, b) => a + b, 0) || 1;
  const words = Object.entries(counts).map(([f, n]) => `${n} by ${FAMILY_WORD[f]}`).join(", ");
  return h("div", { class: "bar", role: "img", "aria-label": words || "no trials yet", title: words },
    Object.entries(counts).map(([f, n]) => h("i", { class: f, style: `width:${(100 * n) / total}%` })));
}

export function progressText(study) {
  const done = study.counts.finished + study.counts.failed + study.counts.pruned;
  const limit = study.budget?.trials;
  return limit ? `${number(done)} of ${number(limit)} trials` : plural(done, "trial");
}

function card(study) {
  if (study.unreadable) return h("div", { class: "card study-card" }, h("div", { class: "row between" }, h("h2", {}, study.name), h("span", { class: "tag bad" }, "unreadable")), h("p", { class: "desc words" }, study.unreadable));
  const objective = study.objectives[0];
  const best = study.best?.values?.[0];
  const many = study.objectives.length > 1;
  return h("a", { class: "card study-card", href: `#/studies/${encodeURIComponent(study.name)}` },
    h("div", { class: "row between" }, h("h2", {}, study.name),
      study.counts.running ? h("span", { class: "tag good" }, `${study.counts.running} running`) : null),
    h("p", { class: "desc" }, study.description || `${plural(study.n_parameters, "parameter")}, ${study.objectives.length > 1 ? `${study.objectives.length} objectives` : objective.direction}`),
    study.note ? h("p", { class: "desc words" }, study.note) : null,
    h("div", { class: "row between" },
      many ? h("div", {}, h("span", { class: "best num" }, number(study.front_size)), " ", h("span", { class: "soft" }, "on the Pareto front"))
        : h("div", {}, h("span", { class: "best num" }, number(best)), " ", h("span", { class: "soft" }, objective.unit || objective.name)),
      h("span", { class: "soft num" }, progressText(study))),
    h("p", {}), sourceBar(study),
    h("p", { class: "faint", style: "margin:.5rem 0 0" }, [study.planner ? `planner: ${study.planner}` : "no language model", study.counts.failed ? plural(study.counts.failed, "failure") : "", ago(study.updated_at)].filter(Boolean).join(" · ")));
}

export async function studiesView(main, { crumbs, live, onLeave }) {
  crumbs([["Studies", null]]);
  const grid = h("div", { class: "cards" });
  const more = h("button", { hidden: true }, "More");
  const search = h("input", { type: "search", placeholder: "Find a study", "aria-label": "Find a study by words of its name or note", style: "max-width:16rem" });
  let after = "";
  async function load(append) {
    const query = new URLSearchParams({ limit: "60", ...(append ? { after } : {}), ...(search.value ? { contains: search.value } : {}) });
    const page = await api(`v1/studies?${query}`);
    const cards = page.items.map(card);
    if (!append && !cards.length && !search.value) {
      fill(grid, h("div", { class: "lonely", style: "grid-column:1/-1" }, h("h2", {}, "No studies yet"),
        h("p", {}, "A study holds a problem, its trials, and the reason for each of them."), h("a", { class: "button primary", href: "#/new" }, "Create the first study")));
    } else if (append) grid.append(...cards);
    else fill(grid, cards);
    after = page.next ?? "";
    more.hidden = !page.next;
  }
  more.addEventListener("click", () => load(true));
  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => load(false), 200); });
  fill(main, h("div", { class: "row between" }, h("h1", {}, "Studies"), h("div", { class: "row" }, search, h("a", { class: "button", href: "#/across" }, "Side by side"), h("a", { class: "button primary", href: "#/new" }, "New study"))), grid, h("p", {}), more);
  await load(false);
  let due;
  onLeave(follow("v1/events?from=now", () => { clearTimeout(due); due = setTimeout(() => { if (!after) load(false); }, 800); }, live));
  onLeave(() => clearTimeout(due));
}
