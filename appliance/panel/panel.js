// The panel that asks the expert from a page of documentation. It knows the server's chat protocol and the page that it
// is put into; nothing about how answers are made. appliance/server/panel.py serves it: marked and DOMPurify come first,
// in the object `lib`, and everything together is one function, so that the page's own names stay as they are.
// What is told to it stands in the query of its own address: key, title, and server if that isn't where it comes from.
"use strict";

const source = new URL(document.currentScript.src);
const told = source.searchParams;
const server = new URL(told.get("server") || ".", source);
const title = told.get("title") || "Ask the docs";
const STORE = "boffin-panel " + server.href;
// Characters: an answer that is longer is shown as it is, without Markdown; of what was said before, the last few
// turns go along with a question; and so much is remembered.
const LONGEST = 30000, CONTEXT = 3000, REMEMBERED = 100000;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  node.append(...children);
  return node;
}

// ---- What an answer becomes --------------------------------------------------------------------------------------
// HTML in an answer is text; an image would make the reader's browser call a stranger. DOMPurify is the second wall.

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => "&#" + sign.charCodeAt(0) + ";");
const markdown = new lib.marked.Marked({
  renderer: {
    html: ({ text, block }) => (block ? "<p>" + escaped(text) + "</p>" : escaped(text)),
    image: ({ text, href }) => escaped(text || href),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});
const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "a", "ul", "ol",
    "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td"],
  ALLOWED_ATTR: ["href", "start"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(https?:\/\/|mailto:)/i,
  RETURN_DOM_FRAGMENT: true,
};

function render(target, text, whole) {
  try {
    if (text.length > LONGEST) throw new RangeError();
    const fragment = lib.DOMPurify.sanitize(markdown.parse(text), ALLOWED);
    for (const link of fragment.querySelectorAll("a")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    // The page has headings of its own, above this one.
    for (const heading of fragment.querySelectorAll("h1,h2,h3,h4,h5,h6"))
      heading.replaceWith(make("p", { class: "heading" }, ...heading.childNodes));
    for (const block of fragment.querySelectorAll("pre")) {
      block.tabIndex = 0; // so that keys can scroll it
      const code = block.textContent;
      const frame = make("div", { class: "code" });
      block.replaceWith(frame);
      frame.append(block);
      if (whole) frame.append(copier(code));
    }
    target.replaceChildren(fragment);
  } catch {
    target.replaceChildren(make("pre", { class: "plain", tabindex: 0 }, text));
  }
}

// Marks go behind the sentences that are cited; the server counts characters, JavaScript halves of some of them.
function marked(text, marks) {
  const signs = marks.length ? [...text] : [];
  for (const { end_index, number } of [...marks].sort((a, b) => b.end_index - a.end_index))
    signs.splice(end_index, 0, " [" + number + "]");
  return signs.join("") || text;
}

// What the expert read, and what in its code doesn't exist.
function foot({ read = [], wrong = [] }) {
  const said = wrong.map(({ name, nearest }) =>
    make("p", {}, "There is no ", make("code", {}, name), ...(nearest ? ["; the nearest is ", make("code", {}, nearest)] : []), "."));
  const sources = read.map(({ number, title, url }) => {
    const safe = /^https?:\/\//i.test(url);
    return make("li", { value: number }, safe ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, title) : title);
  });
  return [...said, ...(sources.length ? ["Read:", make("ol", {}, ...sources)] : [])];
}

function copier(code) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(code);
    } catch { // a page that isn't served over HTTPS has no clipboard
      const area = make("textarea", { class: "unseen" }, code);
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    spoken.textContent = "Copied";
  };
  return button;
}

// ---- What is seen ------------------------------------------------------------------------------------------------

const opener = make("button", { type: "button", class: "opener", "aria-expanded": "false", "aria-controls": "panel" }, title);
const renew = make("button", { type: "button" }, "New");
renew.setAttribute("aria-label", "New conversation");
const closer = make("button", { type: "button", "aria-label": "Close" }, "✕");
const hint = make("p", { class: "hint" }, "Ask in your own words how something is done, or what a name is for. The conversation is kept in this browser.");
const log = make("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: 0 }, hint);
const state = make("p", { class: "state", role: "status" });
const spoken = make("p", { class: "unseen", "aria-live": "polite" });
const question = make("textarea", { id: "question", rows: 2, maxlength: 8000, placeholder: "How do I …?" });
const button = make("button", { type: "submit", class: "ask" }, "Ask");
const form = make("form", {}, make("label", { for: "question", class: "unseen" }, "Question"), question, button);
const panel = make("div", { id: "panel", class: "panel", role: "dialog", "aria-labelledby": "title", hidden: "" },
  make("div", { class: "head" }, make("h2", { id: "title" }, title), renew, closer), log, state, form,
  make("p", { class: "note" }, "A model answers. Check what it says."), spoken);
const host = make("div", { id: "boffin-panel", hidden: "" });
const sheet = make("link", { rel: "stylesheet", href: new URL("panel.css", source).href });
sheet.onload = () => { host.hidden = false; };
host.attachShadow({ mode: "open" }).append(sheet, opener, panel);

function turn(role, text, notes = {}) {
  const body = make("div", { class: "body" });
  const who = make("p", { class: "unseen" }, role === "user" ? "You asked:" : "Answer:");
  log.append(make("div", { class: "turn " + role }, who, body, make("div", { class: "foot" })));
  if (role === "user") body.textContent = text;
  else close(body, text, notes);
  return body;
}

function close(body, text, notes) { // all of an answer is there
  render(body, marked(text, notes.marks || []), true);
  body.nextSibling.replaceChildren(...foot(notes));
}

function follow() { // unless the reader has scrolled up
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 120) log.scrollTop = log.scrollHeight;
}

// Dark where the page is, whatever decides that there.
function match() {
  let dark = false;
  for (const node of [document.body, document.documentElement]) {
    const [red, green, blue, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    if (!alpha) continue;
    dark = red * 0.3 + green * 0.6 + blue * 0.1 < 128;
    break;
  }
  host.dataset.theme = dark ? "dark" : "light";
}

// ---- What is remembered ------------------------------------------------------------------------------------------

let messages = [];
try {
  const kept = JSON.parse(localStorage.getItem(STORE)) || [];
  const fits = ({ role, content, read = [], wrong = [], marks = [] }, at) => role === ["user", "assistant"][at % 2] &&
    typeof content === "string" && [read, wrong, marks].every((list) => Array.isArray(list) && list.every(Boolean));
  if (kept.length % 2 === 0 && kept.every(fits)) messages = kept;
} catch {} // no storage here, or what is in it isn't ours

function last(length) { // the last questions with their answers, of so many characters
  let first = messages.length;
  while (first && (length -= messages[first - 1].content.length + messages[first - 2].content.length) >= 0) first -= 2;
  return messages.slice(first);
}

function remember() {
  messages = last(REMEMBERED);
  try { localStorage.setItem(STORE, JSON.stringify(messages)); } catch {}
}

// ---- Asking ------------------------------------------------------------------------------------------------------

let running = null, asks = 0;

async function* pieces(reply) {
  const reader = reply.body.getReader(), decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The answer broke off.");
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const { error, sources, choices } = JSON.parse(data);
      if (error) throw new Error("The answer broke off: " + error.message);
      yield { sources, ...choices[0] };
    }
  }
}

async function send(asked) {
  const headers = { "Content-Type": "application/json" };
  if (told.get("key")) headers.Authorization = "Bearer " + told.get("key");
  const before = last(CONTEXT).map(({ role, content }) => ({ role, content }));
  const body = JSON.stringify({ stream: true, messages: [...before, { role: "user", content: asked }] });
  const reply = await fetch(new URL("v1/chat/completions", server),
    { method: "POST", headers, body, signal: running.signal, credentials: "omit" }).catch((error) => {
    throw running.signal.aborted ? error : new Error("The expert is away. The pages are still here.");
  });
  if (reply.ok) return reply;
  const wait = Number(reply.headers.get("Retry-After"));
  const again = wait ? "Ask again in " + wait + " s." : "Ask again later.";
  if (reply.status === 429) throw new Error("Too many questions at the moment. " + again);
  if (reply.status === 503) throw new Error("The expert is busy. " + again);
  if (reply.status === 401 || reply.status === 403) throw new Error("The expert doesn't know this page's key.");
  const said = await reply.json().catch(() => ({}));
  throw new Error(said.error ? said.error.message : "The expert can't answer (" + reply.status + ").");
}

async function ask(asked) {
  running = new AbortController();
  asks += 1;
  button.textContent = "Stop";
  state.textContent = "Answering …";
  const above = turn("user", asked), body = turn("assistant", "");
  log.scrollTop = log.scrollHeight;
  let text = "", next = 0, failure = "";
  const notes = { read: [], wrong: [], marks: [] };
  try {
    for await (const { sources = [], delta = {}, checks = [] } of pieces(await send(asked))) {
      text += delta.content || "";
      notes.read.push(...sources.map(({ number, title, url }) => ({ number, title, url })));
      notes.wrong.push(...checks.flatMap(({ findings }) => findings).map(({ name, nearest }) => ({ name, nearest })));
      notes.marks.push(...(delta.annotations || []).map((each) => each.url_citation));
      if (!delta.content) continue;
      const now = performance.now();
      if (now < next) continue; // a long answer takes a while to show: leave the page time for itself
      render(body, text, false);
      follow();
      next = performance.now() + 5 * (performance.now() - now) + 30;
    }
  } catch (error) {
    failure = running.signal.aborted ? "Stopped." : error.message;
  }
  running = null;
  button.textContent = "Ask";
  state.textContent = failure;
  if (text) {
    close(body, text, notes);
    messages.push({ role: "user", content: asked }, { role: "assistant", content: text, ...notes });
    remember();
    spoken.textContent = "Answer: " + body.textContent + body.nextSibling.textContent;
  } else {
    for (const part of [above, body]) part.parentNode.remove();
    question.value = question.value || asked;
  }
  follow();
}

// ---- What the reader does ----------------------------------------------------------------------------------------

function show(open) {
  panel.hidden = !open;
  opener.setAttribute("aria-expanded", open);
  if (!open) return opener.focus();
  if (!hint.nextSibling) for (const one of messages) turn(one.role, one.content, one);
  log.scrollTop = log.scrollHeight;
  question.focus();
  look();
}

async function look() {
  if (running) return;
  const before = asks;
  let said = "The expert is away. The pages are still here.";
  try {
    const { status } = await (await fetch(new URL("health", server), { credentials: "omit" })).json();
    said = status === "ok" ? "" : "The expert is not ready yet.";
  } catch {}
  if (asks === before) state.textContent = said; // else what came of the question says more
}

opener.onclick = () => show(panel.hidden);
closer.onclick = () => show(false);
renew.onclick = () => {
  if (running) running.abort();
  messages = [];
  remember();
  log.replaceChildren(hint);
  question.focus();
};
form.onsubmit = (event) => {
  event.preventDefault();
  const asked = question.value.trim();
  if (running) return running.abort();
  if (!asked) return;
  question.value = "";
  ask(asked);
};
question.onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!running) form.requestSubmit();
};
panel.onkeydown = (event) => {
  event.stopPropagation(); // pages have keys of their own, e.g. / for their search
  if (event.key === "Escape") show(false);
};

function place() {
  document.body.append(host);
  match();
  const watch = { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-md-color-scheme"] };
  for (const node of [document.body, document.documentElement]) new MutationObserver(match).observe(node, watch);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", match);
}
if (document.body) place();
else document.addEventListener("DOMContentLoaded", place);
