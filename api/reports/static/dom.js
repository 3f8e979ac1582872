// Building pages, the service's and the report. Text only ever becomes a text node: nothing that came from a model, a user or a log is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "circle", "rect", "line", "g", "polyline", "text", "title"]);

export function h(tag, attributes, ...children) {
  const node = SVG_TAGS.has(tag) && tag !== "title" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) set(node, name, value);
  add(node, children);
  return node;
}

function set(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "value" || name === "checked") node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

export function toast(text, kind = "info") {
  const note = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), kind === "error" ? 9000 : 4000);
}

// ---- words for numbers ----
export function number(x) {
  if (x === null || x === undefined) return "–";
  if (typeof x === "boolean") return x ? "true" : "false";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x) && Math.abs(x) < 1e7) return String(x).replace(/\B(?=(\d{3})+$)/g, "\u202f").replace("-", "−");
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return x.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e").replaceAll("-", "−");
  return Number(x.toPrecision(5)).toString().replaceAll("-", "−");
}

export function ago(seconds) {
  if (!seconds) return "";
  const s = Math.max(0, Date.now() / 1000 - seconds);
  if (s < 50) return "just now";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (s >= size) return `${Math.round(s / size)} ${unit} ago`;
  return "1 min ago";
}

export function duration(seconds) {
  if (!seconds) return "";
  if (seconds < 1) return seconds < 1e-3 ? "< 1 ms" : `${Math.round(1000 * seconds)} ms`;
  for (const [size, unit] of [[7200, "h"], [120, "min"]]) if (seconds >= size) return `${number(Number((seconds / (unit === "h" ? 3600 : 60)).toPrecision(3)))} ${unit}`;
  return `${number(Number(seconds.toPrecision(3)))} s`;
}

export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

// Who proposed a trial, as one of its families with a colour each (style.css).
export function family(source) {
  const s = String(source ?? "");
  if (s.startsWith("planner") || s.startsWith("llm") || s.startsWith("embedded")) return "model";
  if (s === "surrogate" || s.startsWith("acquisition")) return "surrogate";
  if (s === "user" || s === "enqueued") return "user";
  if (s === "random" || s === "unreadable") return s;
  return "start";
}
export const FAMILY_WORD = { model: "language model", surrogate: "surrogate", user: "you", random: "random", start: "start design", unreadable: "a row that cannot be read" };
