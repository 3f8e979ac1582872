// Fits figures to the width of their boxes, so that labels stay readable: panels stand in as many columns as have room, and a
// figure that says what its labels need (`layout.meta.least_width`) keeps that width while its box scrolls.

const PANEL = { width: 300, height: 230 };

export function fitted(layout, width) {
  const out = { ...layout, autosize: true };
  const least = layout.meta?.least_width ?? 0;
  if (least > width) Object.assign(out, { width: least, autosize: false });
  if (layout.grid) panels(out, width);
  return out;
}

function panels(out, width) {
  const axes = Object.keys(out).filter((key) => /^yaxis\d*$/.test(key));
  const columns = Math.max(1, Math.min(3, axes.length, Math.floor(width / PANEL.width)));
  const rows = Math.ceil(axes.length / columns);
  out.grid = { ...out.grid, columns, rows, xgap: 0.22 / columns, ygap: 0.36 };
  out.height = PANEL.height * rows + 40;
  const title = out.yaxis.title;
  axes.forEach((key, i) => { out[key] = { ...out[key], title: i % columns ? { text: "" } : title }; });
}

// Calls `draw` when the box has become wider or narrower; returns a function that stops it.
export function onWidth(box, draw) {
  let last = box.clientWidth;
  const watch = new ResizeObserver(() => {
    if (Math.abs(box.clientWidth - last) < 2) return;
    last = box.clientWidth;
    draw();
  });
  watch.observe(box);
  return () => watch.disconnect();
}
