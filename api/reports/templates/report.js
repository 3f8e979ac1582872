// Draws the figures that stand as JSON in the page, and sorts and filters the table of trials.
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const figures = JSON.parse(document.getElementById("figures").textContent);
for (const [name, figure] of Object.entries(figures)) {
  if (dark) {
    figure.layout.font.color = "#e6ebf0";
    for (const key of Object.keys(figure.layout)) {
      if (/^[xy]axis/.test(key)) figure.layout[key].gridcolor = "#2c3742";
    }
    for (const trace of figure.data) {
      if (trace.marker && trace.marker.color === "#222222") trace.marker.color = "#e6ebf0";
    }
  }
  Plotly.newPlot(name, figure.data, figure.layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

const table = document.getElementById("trials");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
heads.forEach((head, column) => {
  let rising = true;
  head.addEventListener("click", () => {
    const key = (row) => row.cells[column].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [parseFloat(key(a)), parseFloat(key(b))];
      const known = Number(Number.isNaN(x)) - Number(Number.isNaN(y));
      if (Number.isNaN(x) || Number.isNaN(y)) return known || key(a).localeCompare(key(b));
      return rising ? x - y : y - x;
    };
    body.append(...[...body.rows].sort(compare));
    rising = !rising;
  });
});
document.getElementById("filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
});
