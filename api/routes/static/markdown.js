// A small Markdown: paragraphs, lists, code, bold, emphasis, tables. It builds nodes and never parses HTML; links are shown as text.
import { h } from "./dom.js";

const INLINE = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*)/g;

function inline(text) {
  const out = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    out.push(text.slice(at, found.index));
    const token = found[0];
    if (token.startsWith("`")) out.push(h("code", {}, token.slice(1, -1)));
    else if (token.startsWith("**")) out.push(h("strong", {}, token.slice(2, -2)));
    else out.push(h("em", {}, token.slice(1, -1)));
    at = found.index + token.length;
  }
  out.push(text.slice(at));
  return out;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((c) => c.trim());

function table(lines) {
  const [head, , ...rows] = lines;
  return h("table", {},
    h("thead", {}, h("tr", {}, cells(head).map((c) => h("th", { scope: "col" }, inline(c))))),
    h("tbody", {}, rows.map((row) => h("tr", {}, cells(row).map((c) => h("td", {}, inline(c)))))));
}

export function markdown(text) {
  const nodes = [];
  const lines = String(text ?? "").split("\n");
  for (let i = 0; i < lines.length; ) {
    const take = (test) => { const from = i; while (i < lines.length && test(lines[i])) i += 1; return lines.slice(from, i); };
    if (lines[i].startsWith("```")) {
      i += 1;
      const body = take((l) => !l.startsWith("```"));
      i += 1;
      nodes.push(h("pre", {}, h("code", {}, body.join("\n"))));
    } else if (/^\s*[-*] /.test(lines[i])) {
      nodes.push(h("ul", {}, take((l) => /^\s*[-*] /.test(l)).map((l) => h("li", {}, inline(l.replace(/^\s*[-*] /, ""))))));
    } else if (/^\s*\d+[.)] /.test(lines[i])) {
      nodes.push(h("ol", {}, take((l) => /^\s*\d+[.)] /.test(l)).map((l) => h("li", {}, inline(l.replace(/^\s*\d+[.)] /, ""))))));
    } else if (/^#{1,4} /.test(lines[i])) {
      nodes.push(h("p", { class: "heading" }, inline(lines[i].replace(/^#+ /, ""))));
      i += 1;
    } else if (lines[i].startsWith("|") && /^\|[\s:|-]+\|?$/.test(lines[i + 1] ?? "")) {
      nodes.push(table(take((l) => l.startsWith("|"))));
    } else if (!lines[i].trim()) {
      i += 1;
    } else {
      const body = take((l) => l.trim() && !/^(```|\s*[-*] |\s*\d+[.)] |#{1,4} |\|)/.test(l));
      if (!body.length) body.push(lines[i++]);
      nodes.push(h("p", {}, body.map((l, n) => [n ? h("br") : null, inline(l)])));
    }
  }
  return nodes;
}
