// Draws the figures and the table of trials that stand as JSON in the page.
import { fill } from "./dom.js";
import { fitted, onWidth } from "./fit.js";
import { trialTable } from "./trials.js";

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const read = (id) => JSON.parse(document.getElementById(id).textContent);

function darkened({ data, layout }) {
  layout.font.color = "#e6ebf0";
  for (const key of Object.keys(layout)) if (/^[xy]axis/.test(key)) layout[key].gridcolor = "#2c3742";
  for (const trace of data) if (trace.marker?.color === "#222222") trace.marker.color = "#e6ebf0";
}

for (const [name, figure] of Object.entries(read("figures"))) {
  const box = document.getElementById(name);
  if (dark) darkened(figure);
  const draw = () => Plotly.react(box, figure.data, fitted(figure.layout, box.clientWidth), { displaylogo: false, displayModeBar: false });
  draw();
  onWidth(box, draw);
}

const study = read("study");
const table = trialTable(study);
fill(document.getElementById("trials"), table.node);
table.update(study.trials);
