// The router: one page, five views, addresses behind the '#', so that any URL prefix works.
import { BASE, saveKey } from "./http.js";
import { fill, h } from "./dom.js";
import { studiesView } from "./studies.js";
import { acrossView } from "./across.js";
import { createView } from "./create.js";
import { studyView } from "./study.js";
import { trialView } from "./trial.js";

const main = document.getElementById("main");
let leave = null;

const ROUTES = [
  [/^\/?$/, studiesView],
  [/^\/new$/, createView],
  [/^\/across$/, acrossView],
  [/^\/studies\/([^/]+)\/trials\/(\d+)$/, trialView],
  [/^\/studies\/([^/]+)(?:\/(\w+))?$/, studyView],
];

function crumbs(parts) {
  const items = parts.map(([text, href]) => (href ? h("a", { href }, text) : h("span", { "aria-current": "page" }, text)));
  fill(document.getElementById("crumbs"), items.map((item) => [" / ", item]));
  document.title = [...parts.map(([text]) => text).reverse(), "trialogue"].join(" · ");
}

function live(text) {
  const node = document.getElementById("live");
  node.textContent = text;
  node.toggleAttribute("data-on", text === "live");
}

async function route() {
  const path = location.hash.slice(1);
  leave?.();
  leave = null;
  live("");
  for (const [pattern, view] of ROUTES) {
    const found = pattern.exec(path);
    if (!found) continue;
    const stops = [];
    leave = () => stops.forEach((stop) => stop());
    const place = h("div", {}); // of its own: a view that answers after it was left draws where nobody sees it
    main.replaceChildren(place);
    try {
      await view(place, { args: found.slice(1).map((a) => a && decodeURIComponent(a)), crumbs, live, onLeave: (f) => stops.push(f) });
    } catch (error) {
      fill(place, h("div", { class: "lonely", role: "alert" }, h("h1", {}, error.title ?? "Something went wrong"), h("p", {}, error.message), h("a", { class: "button", href: "#/" }, "All studies")));
    }
    return;
  }
  fill(main, h("div", { class: "lonely" }, h("h1", {}, "No such page"), h("a", { href: "#/" }, "All studies")));
}

function askForKey() {
  if (document.querySelector("dialog[open]")) return;
  const input = h("input", { type: "password", autocomplete: "off", required: true, "aria-label": "API key" });
  const box = h("dialog", { "aria-labelledby": "key-title" },
    h("form", { method: "dialog", onsubmit: () => { saveKey(input.value.trim()); box.remove(); route(); } },
      h("h2", { id: "key-title" }, "This server asks for a key"),
      h("p", { class: "soft" }, "An operator makes one with ", h("code", {}, "trialogue keys add NAME"), ". It is kept until this tab is closed."),
      input, h("p", {}), h("button", { class: "primary" }, "Use this key")));
  document.body.append(box);
  box.showModal();
}

function switchTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("trialogue-theme", document.documentElement.dataset.theme); } catch { /* lasts for this page */ }
  document.dispatchEvent(new CustomEvent("theme-changed"));
}

document.getElementById("theme").addEventListener("click", switchTheme);
document.getElementById("key").addEventListener("click", askForKey);
document.addEventListener("key-needed", () => { document.getElementById("key").hidden = false; askForKey(); });
window.addEventListener("hashchange", () => { route().then(() => main.focus({ preventScroll: true })); window.scrollTo(0, 0); });
if (!BASE.pathname.endsWith("/")) location.replace(`${BASE.pathname}/`);
route();
