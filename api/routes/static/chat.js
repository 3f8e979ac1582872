// The chat of a study: commands that work without a model, a model's answers as they come, and approval before anything changes.
import { fill, h, toast } from "./dom.js";
import { api, stream, studyPath } from "./http.js";
import { markdown } from "./markdown.js";

function toolNode(message) {
  return h("details", { class: "tool" }, h("summary", {}, message.tool ?? "tool", message.arguments && Object.keys(message.arguments).length ? ` ${JSON.stringify(message.arguments)}` : ""), h("pre", {}, message.text));
}

function bubble(message) {
  if (message.role === "tool") return toolNode(message);
  const plain = message.role === "user" || message.role === "notice";
  return h("div", { class: `bubble ${message.role}` }, plain ? message.text.split("\n").map((l, i) => [i ? h("br") : null, l]) : markdown(message.text));
}

// One request for approval: approve as it stands, change the arguments, or refuse with a word why.
function approval(request, index, decide) {
  const text = h("textarea", { "aria-label": `Arguments of ${request.verb}`, rows: Math.min(12, JSON.stringify(request.arguments, null, 1).split("\n").length + 1), value: JSON.stringify(request.arguments, null, 2), readonly: true });
  const edit = h("button", { type: "button", class: "small", onclick: () => { text.readOnly = false; text.focus(); edit.disabled = true; } }, "Edit");
  function approve() {
    if (text.readOnly) return decide(index, { type: "approve" });
    try { return decide(index, { type: "edit", arguments: JSON.parse(text.value) }); } catch (error) { return toast(`Not JSON: ${error.message}`, "error"); }
  }
  return h("div", { class: "approval", role: "group", "aria-label": `Approval of ${request.verb}` }, h("h3", {}, `Approve “${request.verb}”?`), h("p", { class: "soft", style: "margin:0" }, request.description), text,
    h("div", { class: "row" }, h("button", { type: "button", class: "primary small", onclick: approve }, "Approve"), edit,
      h("button", { type: "button", class: "small danger", onclick: () => { const why = window.prompt("Why not? The model is told.", ""); if (why !== null) decide(index, { type: "reject", message: why }); } }, "Reject")));
}

export function chatPanel(study, { changed }) {
  const log = h("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": "Conversation" });
  const state = h("span", { class: "faint" });
  const input = h("textarea", { id: "say", placeholder: "Ask, or type / for commands", "aria-label": "Message", rows: 1, autocomplete: "off", role: "combobox", "aria-expanded": "false", "aria-controls": "suggest" });
  const suggest = h("ul", { class: "suggest", id: "suggest", role: "listbox", "aria-label": "Commands", hidden: true });
  const send = h("button", { class: "primary", type: "submit" }, "Send");
  const form = h("form", { class: "compose", onsubmit: submit }, suggest, input, send);
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Frequent commands" }, ["/show", "/best", "/compare", "/importances", "/ask", "/help"].map((c) => h("button", { type: "button", onclick: () => { input.value = c; submit(); } }, c)));
  const node = h("aside", { class: "card chat", "aria-label": "Chat" }, h("header", {}, h("h2", {}, "Chat"), state), log, chips, form);
  let commands = [];
  let picked = -1;
  let busy = null;
  let answers = [];

  const scroll = () => { log.scrollTop = log.scrollHeight; };
  function showPending(pending) {
    answers = new Array(pending.length).fill(null);
    pending.forEach((request, index) => log.append(approval(request, index, (i, answer) => { answers[i] = answer; if (answers.every(Boolean)) talk("/chat/decisions", { decisions: answers }); else toast("Noted; answer the other requests too."); })));
    if (pending.length) { scroll(); log.querySelector(".approval button")?.focus({ preventScroll: true }); }
  }
  async function load() {
    if (busy) return;
    const chat = await api(studyPath(study, "/chat"));
    commands = chat.commands;
    state.textContent = chat.model ? chat.model : "no model: commands only";
    fill(log, chat.messages.length ? chat.messages.map(bubble) : h("div", { class: "bubble notice" }, chat.model ? "Ask about this study in your own words, or type / for commands. Nothing is run or changed without your approval." : "No chat model is set, so this session speaks in commands. Type / to see them; /help explains."));
    showPending(chat.pending);
    scroll();
  }
  async function talk(path, body) {
    busy = new AbortController();
    send.disabled = true;
    log.querySelectorAll(".approval").forEach((n) => n.remove());
    const growing = h("div", { class: "bubble assistant" });
    let text = "";
    try {
      await stream(studyPath(study, path), body, (kind, data) => {
        if (kind === "token") { text += data.text; if (!growing.isConnected) log.append(growing); fill(growing, markdown(text)); }
        else if (kind === "message") { growing.remove(); text = ""; if (data.role !== "user") log.append(bubble(data)); }
        else if (kind === "pending") showPending(data.pending);
        else if (kind === "error") toast(data.detail, "error");
        scroll();
      }, busy.signal);
    } catch (error) { toast(error.message, "error"); } finally { busy = null; send.disabled = false; }
    changed();
    input.focus({ preventScroll: true });
  }
  function submit(event) {
    event?.preventDefault();
    const text = input.value.trim();
    if (!text || busy) return;
    hide();
    input.value = "";
    log.append(bubble({ role: "user", text }));
    scroll();
    talk("/chat", { text });
  }
  function hide() { suggest.hidden = true; picked = -1; input.setAttribute("aria-expanded", "false"); }
  function complete() {
    const word = input.value;
    const fit = word.startsWith("/") && !word.includes(" ") ? commands.filter((c) => `/${c.name}`.startsWith(word)) : [];
    if (!fit.length) return hide();
    picked = Math.min(Math.max(picked, 0), fit.length - 1);
    fill(suggest, fit.map((c, i) => h("li", { role: "option", "aria-selected": String(i === picked), onmousedown: (e) => { e.preventDefault(); take(c); } }, h("code", {}, c.usage), " ", h("span", { class: "soft" }, c.help))));
    suggest.hidden = false;
    input.setAttribute("aria-expanded", "true");
    suggest.children[picked]?.scrollIntoView({ block: "nearest" });
    return fit;
  }
  function take(command) { input.value = `/${command.name} `; hide(); input.focus(); }
  input.addEventListener("input", () => { picked = 0; complete(); });
  input.addEventListener("blur", () => setTimeout(hide, 150));
  input.addEventListener("keydown", (event) => {
    const open = !suggest.hidden;
    if (event.key === "Escape") hide();
    else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) { event.preventDefault(); picked += event.key === "ArrowDown" ? 1 : -1; complete(); }
    else if (open && (event.key === "Tab" || (event.key === "Enter" && suggest.children.length && !commands.some((c) => `/${c.name}` === input.value)))) { event.preventDefault(); const fit = complete(); if (fit) take(fit[picked]); }
    else if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); submit(); }
  });
  return { node, load, stop: () => busy?.abort() };
}
