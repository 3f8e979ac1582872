// Talking to the server: relative URLs (so that any prefix works), problem+json errors, server-sent events by fetch
// (EventSource cannot send a key).

export const BASE = new URL(".", document.baseURI.split("#")[0]);

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.title = problem.title || "Error";
  }
}

function readKey() { try { return sessionStorage.getItem("trialogue-key") || ""; } catch { return ""; } }
export function saveKey(key) { try { sessionStorage.setItem("trialogue-key", key); } catch { /* stays for this page only */ } }

function headers(extra) {
  const key = readKey();
  return { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...extra };
}

function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response) {
  try { return await response.json(); } catch { return { title: response.statusText }; }
}

export async function api(path, { method = "GET", body, signal } = {}) {
  const extra = body === undefined ? {} : { "Content-Type": "application/json" };
  if (method === "POST") extra["Idempotency-Key"] = once();
  const response = await fetch(new URL(path, BASE), {
    method, signal, headers: headers(extra), body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  if (response.status === 204) return null;
  return (response.headers.get("content-type") || "").includes("json") ? response.json() : response.text();
}

export const studyPath = (name, rest = "") => `v1/studies/${encodeURIComponent(name)}${rest}`;

// Yields {id, event, data} as they come.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value.replaceAll("\r\n", "\n");
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const event = { id: "", event: "message", data: "" };
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        if (colon <= 0) continue;
        const field = line.slice(0, colon);
        const text = line.slice(colon + 1).replace(/^ /, "");
        event[field] = field === "data" && event.data ? `${event.data}\n${text}` : text;
      }
      if (event.data) yield event;
    }
  }
}

export async function stream(path, body, each, signal) {
  const response = await fetch(new URL(path, BASE), {
    method: "POST", signal, body: JSON.stringify(body),
    headers: headers({ "Content-Type": "application/json", Accept: "text/event-stream", "Idempotency-Key": once() }),
  });
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  for await (const event of events(response)) each(event.event, JSON.parse(event.data));
}

// Follow a study's events for ever: reconnects with Last-Event-ID. Returns a function that stops it.
export function follow(path, each, status) {
  const stop = new AbortController();
  let last = "";
  (async () => {
    let wait = 500;
    while (!stop.signal.aborted) {
      try {
        const response = await fetch(new URL(path, BASE), { signal: stop.signal, headers: headers(last ? { "Last-Event-ID": last } : {}) });
        if (!response.ok) throw new ApiError(response.status, await problemOf(response));
        status("live");
        wait = 500;
        if (!last) each("open", {}); // what happened between the page's first look and now is not told: look again
        for await (const event of events(response)) {
          if (event.id) last = event.id;
          each(event.event, JSON.parse(event.data));
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) { status(""); return; }
      }
      if (stop.signal.aborted) return;
      status("reconnecting…");
      await new Promise((r) => setTimeout(r, wait));
      wait = Math.min(8000, wait * 2);
    }
  })();
  return () => { stop.abort(); status(""); };
}
