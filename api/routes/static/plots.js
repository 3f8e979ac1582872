// Figures: plotly JSON from the server, drawn with plotly.js from the plotly wheel, in the page's own colours.
import { fill, h } from "./dom.js";
import { fitted, onWidth } from "./fit.js";
import { api, BASE, studyPath } from "./http.js";

let library = null;
function plotly() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: new URL("static/plotly.min.js", BASE).href });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.js did not load"));
    document.head.append(script);
  });
  return library;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Figures come in colours for white paper; on a dark page black turns to ink and the darkest end of the scale is lifted.
const DARK_SCALE = [[0, "#8a7be0"], [0.25, "#5b93dd"], [0.5, "#35b3a8"], [0.75, "#86d45f"], [1, "#fde725"]];
function recoloured(data) {
  if (getComputedStyle(document.documentElement).colorScheme !== "dark") return data;
  return JSON.parse(JSON.stringify(data, (key, value) => (key === "colorscale" && Array.isArray(value) ? DARK_SCALE : value === "#222222" ? css("--ink") : value)));
}

function themed(layout, height) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line-strong"), linecolor: css("--line-strong"), tickcolor: css("--line-strong") };
  const out = { ...layout, height: layout.height ?? height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...(layout.font ?? {}), color: css("--soft"), family: "system-ui, sans-serif", size: 12 },
    margin: { l: 56, r: 14, b: 44, ...(layout.margin ?? {}), t: layout.showlegend === false ? 12 : 36 }, title: undefined,
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line-strong"), font: { color: css("--ink") } },
    legend: { ...(layout.legend ?? {}), bgcolor: "rgba(0,0,0,0)" } };
  delete out.width;
  delete out.template;
  for (const key of Object.keys(out)) if (/^[xy]axis\d*$/.test(key)) out[key] = { ...out[key], ...axis };
  for (const key of ["xaxis", "yaxis"]) out[key] = { ...(out[key] ?? {}), ...axis };
  return out;
}

export async function drawIn(box, { data, layout = {} }, height = 300) {
  const Plotly = await plotly();
  await Plotly.react(box, recoloured(data), fitted(themed(layout, height), box.clientWidth), { displayModeBar: false });
  box.dataset.drawn = "yes";
}

// Calls `draw` when the page's colours or the width of the box have changed; returns a function that stops it.
export function onLook(box, draw) {
  const stop = onWidth(box, draw);
  document.addEventListener("theme-changed", draw);
  return () => { stop(); document.removeEventListener("theme-changed", draw); };
}

// A panel that draws one figure of a study and can be refreshed. Text for screen readers: the figure's own summary.
export function figurePanel(study, name, title, { wide = false, tall = false, query = "" } = {}) {
  const height = tall ? 360 : 300; // where the figure states none
  const box = h("div", { class: `plot${tall ? " tall" : ""}`, role: "img", "aria-label": title });
  const card = h("section", { class: `card${wide ? " wide" : ""}`, "data-figure": name }, h("h2", {}, title), box);
  let last = null;
  let drawn = "";
  async function draw() {
    if (last) await drawIn(box, last, height);
  }
  async function refresh() {
    try {
      const figure = await api(studyPath(study, `/figures/${name}${query}`));
      const text = JSON.stringify(figure);
      if (text === drawn) return;
      drawn = text;
      if (!last) fill(box);
      last = figure;
      card.hidden = false;
      if (figure.summary) box.setAttribute("aria-label", `${title}. ${figure.summary}`);
      await draw();
    } catch (error) {
      if (last) return;
      card.hidden = error.status === 409; // there is nothing to draw yet
      if (!card.hidden) fill(box, h("p", { class: "empty" }, `Not drawn: ${error.message}`));
    }
  }
  return { card, refresh, stop: onLook(box, draw) };
}

// A bell curve of what the surrogate expected and a mark where the result fell.
export function beliefCurve(mean, sd, value) {
  if (!(sd > 0)) return null;
  const low = Math.min(mean - 3.2 * sd, value ?? mean) - 0.2 * sd;
  const high = Math.max(mean + 3.2 * sd, value ?? mean) + 0.2 * sd;
  const x = (v) => (320 * (v - low)) / (high - low);
  const points = Array.from({ length: 81 }, (_, i) => low + ((high - low) * i) / 80);
  const line = points.map((v) => `${x(v).toFixed(1)},${(42 - 36 * Math.exp(-(((v - mean) / sd) ** 2) / 2)).toFixed(1)}`).join(" ");
  const words = `expected ${mean.toPrecision(4)} ± ${sd.toPrecision(2)}${value === undefined || value === null ? "" : `, measured ${value.toPrecision(4)}`}`;
  return h("svg", { viewBox: "0 0 320 46", class: "belief", role: "img", "aria-label": words, preserveAspectRatio: "none" },
    h("polyline", { points: line, fill: "none", stroke: "var(--surrogate)", "stroke-width": 2 }),
    value === undefined || value === null ? null : h("line", { x1: x(value), x2: x(value), y1: 2, y2: 44, stroke: "var(--model)", "stroke-width": 2.5 }));
}
