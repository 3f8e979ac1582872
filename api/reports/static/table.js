// A table of many rows in a box of its own: a head that stays, sorting by any column, filtering by words, and rows to pick.
// Rows are data and become nodes a window at a time, so that thousands of them cost no more than a screen.
import { fill, h, number } from "./dom.js";

const WINDOW = 120; // rows made at once
const collator = new Intl.Collator("en", { numeric: true });
const known = (cell) => cell !== null && cell !== undefined && cell !== "";
export const words = (cell) => (typeof cell === "number" ? number(cell) : known(cell) ? String(cell) : "");

// Numbers before words; what is not there comes last in both directions.
function inOrder(a, b, sign) {
  if (!known(a) || !known(b)) return known(b) - known(a);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  if (typeof a === "number" || typeof b === "number") return sign * (typeof a === "number" ? -1 : 1);
  return sign * collator.compare(String(a), String(b));
}

const typed = (text) => text.toLowerCase().replaceAll("−", "-").replaceAll("\u202f", ""); // numbers as a keyboard has them

// Every word must occur in a cell, or, with "=" in it, in a column's name and value. What a row says is written once, when asked.
function matching(rows, text, columns) {
  const wanted = typed(text).split(/\s+/).filter(Boolean);
  const plain = (row) => (row.plain ??= typed(row.cells.map(words).join(" ")));
  const pairs = (row) => (row.pairs ??= typed(row.cells.map((cell, i) => `${columns[i].label}=${words(cell)}`).join(" ")));
  return rows.filter((row) => wanted.every((w) => plain(row).includes(w) || (w.includes("=") && pairs(row).includes(w))));
}

// A column without any value is left out. columns: [{label, title?, of(item) → number | text | null, show?(item) → node, class?}]; items are told apart by `key(item)`.
// picks: how many rows may be picked at once; `picked(items)` is called with them, the earliest pick first.
export function dataTable({ columns, key, picks = 0, picked = () => {}, pickLabel = "Pick", noun = "row", nouns = `${noun}s`, sort = [0, 1] }) {
  let rows = [];
  let visible = [];
  let chosen = [];
  let [column, sign] = sort;
  const count = h("span", { class: "count" });
  const filter = h("input", { type: "search", "aria-label": `Show only ${nouns} with these words`, placeholder: "Filter by words, NAME=VALUE …" });
  const body = h("tbody");
  const heads = columns.map((c, i) => h("th", { scope: "col", class: c.class, title: c.title }, h("button", { type: "button", onclick: () => sortBy(i) }, c.label)));
  const head = h("tr");
  let full = [];
  const box = h("div", { class: "databox", tabindex: "0", role: "region", "aria-label": `Table of ${nouns}`, onscroll: () => { if (box.scrollTop + box.clientHeight > box.scrollHeight - 600) grow(); } },
    h("table", { class: "data" }, h("thead", {}, head), body));

  function sortBy(i) {
    [column, sign] = [i, i === column ? -sign : 1];
    anew();
  }

  function anew() {
    fill(body);
    box.scrollTop = 0;
    arrange();
  }

  function line(row) {
    const id = key(row.item);
    const tick = picks ? h("input", { type: "checkbox", "aria-label": `${pickLabel} ${id}`, checked: chosen.includes(id), onchange: () => pick(id) }) : null;
    return h("tr", { "data-key": id, class: chosen.includes(id) ? "picked" : null }, full.map((i) => cell(row, i, i ? null : tick)));
  }

  const cell = (row, i, tick) => h("td", { class: [columns[i].class, typeof row.cells[i] === "number" ? "n" : ""].filter(Boolean).join(" ") || null }, tick, columns[i].show ? columns[i].show(row.item) : words(row.cells[i]));

  function pick(id) {
    chosen = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id].slice(-picks);
    for (const tr of body.rows) {
      tr.classList.toggle("picked", chosen.some((other) => String(other) === tr.dataset.key));
      tr.querySelector("input").checked = tr.classList.contains("picked");
    }
    tell();
  }

  const tell = () => picked(chosen.map((id) => rows.find((row) => key(row.item) === id)?.item).filter(Boolean));
  const grow = (n = WINDOW) => body.append(...visible.slice(body.rows.length, body.rows.length + n).map(line));

  function arrange() {
    const [made, top] = [body.rows.length, box.scrollTop];
    visible = matching(rows, filter.value, columns).sort((a, b) => inOrder(a.cells[column], b.cells[column], sign));
    heads.forEach((head, i) => (i === column ? head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
    fill(body);
    grow(Math.max(WINDOW, made));
    box.scrollTop = top;
    count.textContent = visible.length === rows.length ? `${number(rows.length)} ${rows.length === 1 ? noun : nouns}` : `${number(visible.length)} of ${number(rows.length)} ${nouns}`;
  }

  function update(items) {
    rows = items.map((item) => ({ item, cells: columns.map((c) => c.of(item)) }));
    full = columns.map((_, i) => i).filter((i) => !i || rows.some((row) => known(row.cells[i])));
    fill(head, full.map((i) => heads[i]));
    heads.forEach((head, i) => head.classList.toggle("n", rows.some((row) => typeof row.cells[i] === "number"))); // above its numbers
    arrange();
    tell();
  }

  function choose(ids) {
    chosen = ids.slice(0, picks);
    arrange();
    tell();
  }

  filter.addEventListener("input", anew);
  addEventListener("beforeprint", () => grow(visible.length));
  return { node: h("div", {}, h("div", { class: "controls" }, filter, count), box), update, choose };
}

// A text of many words shows its beginning; a click shows all of it.
export const long = (text) => (text ? h("div", { class: "long", onclick: (event) => event.currentTarget.classList.toggle("open") }, text) : null);

// Two items side by side: first what differs, then what is equal behind a line that opens.
export function comparison(columns, [a, b]) {
  const rows = columns.map((c) => [c.label, c.of(a), c.of(b)]).filter(([, x, y]) => known(x) || known(y));
  const change = (x, y) => (typeof x === "number" && typeof y === "number" ? `${y > x ? "+" : ""}${number(y - x)}` : "");
  const line = ([label, x, y]) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, words(x)), h("td", {}, words(y)), h("td", { class: "n" }, x === y ? "" : change(x, y)));
  const [[, ...names], ...rest] = rows;
  const [differ, same] = [rest.filter(([, x, y]) => x !== y), rest.filter(([, x, y]) => x === y)];
  return h("div", { class: "comparison" }, h("div", { class: "databox" }, h("table", { class: "data" },
    h("thead", {}, h("tr", {}, [rows[0][0], ...names.map(words), "difference"].map((text) => h("th", { scope: "col", class: "plain" }, text)))), h("tbody", {}, differ.map(line)))),
    same.length ? h("details", {}, h("summary", {}, `${same.length} equal`), h("div", { class: "databox" }, h("table", { class: "data" }, h("tbody", {}, same.map(line))))) : null);
}
