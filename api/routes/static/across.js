// Studies side by side: a table of all of them, and the histories of those that are ticked in one plot.
import { ago, duration, fill, h } from "./dom.js";
import { api, follow } from "./http.js";
import { drawIn, onLook } from "./plots.js";
import { progressText } from "./studies.js";
import { dataTable, long } from "./table.js";

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b"];
const DASHES = ["solid", "dash", "dot"];
const MOST = COLOURS.length * DASHES.length;
const AXES = { trials: "trial", seconds: "evaluation time (s)", cost: "cost" };
const measure = ({ objectives: [o] }) => (o.unit ? `${o.name} (${o.unit})` : o.name);
const goal = (s) => (s.unreadable ? null : `${s.objectives[0].direction} ${measure(s)}`);
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"); // plotly reads tags in names
const STATE = { running: "good", done: "", idle: "", new: "", unreadable: "bad" };

const COLUMNS = [
  { label: "study", class: "first", of: (s) => s.name, show: (s) => (s.unreadable ? s.name : h("a", { href: `#/studies/${encodeURIComponent(s.name)}` }, s.name)) },
  { label: "state", of: (s) => s.state, show: (s) => h("span", { class: `tag ${STATE[s.state]}` }, s.state) },
  { label: "best", of: (s) => s.best?.values?.[0] },
  { label: "front", title: "trials that no other beats in every objective", of: (s) => s.front_size },
  { label: "goal", of: goal },
  { label: "trials", of: (s) => s.counts.finished + s.counts.failed + s.counts.pruned, show: progressText },
  { label: "running", of: (s) => s.counts.running || null },
  { label: "failed", of: (s) => s.counts.failed || null },
  { label: "cost", title: "what the trials told as their cost, together", of: (s) => s.cost },
  { label: "evaluation time", of: (s) => s.seconds || null, show: (s) => duration(s.seconds) },
  { label: "tokens", of: (s) => s.spent.tokens || null },
  { label: "planner", of: (s) => s.planner },
  { label: "note", class: "why", of: (s) => s.note, show: (s) => long(s.note) },
  { label: "description", class: "why", of: (s) => s.unreadable ?? s.description, show: (s) => long(s.unreadable ?? s.description) },
  { label: "changed", of: (s) => s.updated_at, show: (s) => ago(s.updated_at) },
];

function histories(studies, by) {
  const goals = new Set(studies.map(goal));
  const data = studies.filter((s) => s.history[by].some((x) => x !== null)).map((s, i) => ({
    type: "scatter", mode: "lines+markers", name: plain(goals.size > 1 ? `${s.name}: ${s.objectives[0].name}` : s.name), x: s.history[by], y: s.history.best,
    line: { shape: "hv", width: 2, color: COLOURS[i % COLOURS.length], dash: DASHES[Math.floor(i / COLOURS.length)] }, marker: { size: 6 }, hovertemplate: "%{x}: %{y}<extra>%{fullData.name}</extra>",
  }));
  const axis = (text) => ({ title: { text }, zeroline: false, automargin: true });
  return { data, layout: { height: 420, showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, xaxis: axis(AXES[by]), yaxis: axis(goals.size === 1 ? plain(`best ${measure(studies[0])}`) : "best so far") } };
}

export async function acrossView(main, { crumbs, live, onLeave }) {
  crumbs([["Studies", "#/"], ["Side by side", null]]);
  let [items, drawn, after, by] = [[], [], null, "trials"];
  const box = h("div", { class: "plot", role: "img", "aria-label": "Best so far of the ticked studies" });
  const over = h("div", { class: "row", role: "group", "aria-label": "Over what" });
  const more = h("button", { class: "small", hidden: true, onclick: () => load(true) }, "Older studies");
  const table = dataTable({ columns: COLUMNS, key: (s) => s.name, noun: "study", nouns: "studies", sort: [COLUMNS.length - 1, -1], picks: MOST, pickLabel: "Draw the study", picked: (studies) => { drawn = studies; draw(); } });

  async function draw() {
    const known = Object.keys(AXES).filter((key) => key === "trials" || drawn.some((s) => s[key]));
    if (!known.includes(by)) by = "trials";
    fill(over, h("span", { class: "soft" }, "over"), known.map((key) => h("button", { class: "small", "aria-pressed": String(key === by), onclick: () => { by = key; draw(); } }, key)));
    const figure = histories(drawn, by);
    if (figure.data.length) await drawIn(box, figure);
    box.hidden = !figure.data.length;
  }

  // What is drawn at first: the newest study with a result, and those that have its goal.
  function alike() {
    const first = items.find((s) => s.history.best.length);
    return first ? items.filter((s) => goal(s) === goal(first) && s.history.best.length).slice(0, COLOURS.length).map((s) => s.name) : [];
  }

  async function load(append = false) {
    const started = performance.now();
    const limit = append ? 20 : Math.min(60, Math.max(20, items.length));
    const page = await api(`v1/across?limit=${limit}${append ? `&after=${after}` : ""}`);
    const begin = !items.length;
    items = append ? [...items, ...page.items] : [...page.items, ...items.slice(page.items.length)];
    after = page.next;
    more.hidden = after === null;
    table.update(items);
    if (begin) table.choose(alike());
    return performance.now() - started;
  }

  fill(main, h("div", { class: "row between" }, h("h1", {}, "Studies side by side"), over), h("p", {}), h("section", { class: "card" }, box, h("p", { class: "faint" }, `The best so far of each ticked study, at most ${MOST}; of several objectives the first.`)), h("p", {}), h("section", { class: "card" }, table.node, more));
  let spent = await load();
  let due = null;
  const again = () => { due ??= setTimeout(async () => { spent = await load().catch(() => spent); due = null; }, 1500 + 5 * spent); };
  onLeave(onLook(box, draw));
  onLeave(follow("v1/events?from=now", (kind) => { if (kind !== "open") again(); }, live));
  onLeave(() => clearTimeout(due));
}
