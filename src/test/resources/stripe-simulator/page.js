// The simulator's page. It talks to /simulator/… only, and puts text into the page as text, never as HTML.
"use strict";

const PAGE = 20;
const POLL_MS = 1000;

const $ = id => document.getElementById(id);

/** Makes an element: el("p", {class: "x", onclick: f}, "text", child, …). */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value != null) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.filter(child => child != null));
  return element;
}

async function call(method, path, body) {
  const response = await fetch("/simulator/" + path, {
    method,
    headers: body === undefined ? {} : {"Content-Type": "application/json"},
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw Object.assign(new Error(answer.error), {param: answer.param});
  }
  return answer;
}

function ago(seconds) {
  const age = Math.max(0, Math.round(Date.now() / 1000 - seconds));
  if (age < 2) return "now";
  if (age < 60) return age + " s ago";
  if (age < 3600) return Math.floor(age / 60) + " min ago";
  if (age < 86400) return Math.floor(age / 3600) + " h ago";
  return new Date(seconds * 1000).toLocaleDateString(undefined, {day: "numeric", month: "short", year: "numeric"});
}

// ---------------------------------------------------------------- lists

const KINDS = {
  customers: {one: "customer", row: customerRow, open: openEditor, placeholder: "Search name, email, phone, id",
    none: "No customers yet. Create one here, or let the other side create it."},
  invoices: {one: "invoice", row: invoiceRow, open: openInvoice, placeholder: "Search number, customer, status, memo, id",
    none: "No invoices yet. Create one here, or let the other side create it."},
  products: {one: "product", row: productRow, open: openProduct, placeholder: "Search name, description, id",
    none: "No products yet. Create one here, or let the other side create it."},
};
let kind = "customers";
let offset = 0;
let more = false;
let shown = new Map();

function initials(customer) {
  const words = (customer.name || customer.email || "").trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map(word => [...word].find(letter => /[\p{L}\p{N}]/u.test(letter)) || "").join("").toUpperCase() || "·";
}

function customerRow(customer) {
  const name = customer.name ? el("b", {}, customer.name) : el("b", {class: "none"}, "No name");
  const details = [customer.email, customer.phone].filter(Boolean).join("  ·  ") || customer.description || "No email";
  return row(customer, openEditor, initials(customer), [name, details],
    [el("span", {"data-created": customer.created}, ago(customer.created)), el("span", {class: "mono"}, customer.id)]);
}

/** A row of a list: who or what it is in two lines, and what there is to say at its end. It glows when it has changed. */
function row(object, open, badge, [title, details], meta) {
  return el("li", {class: shown.size && shown.get(object.id) !== JSON.stringify(object) ? "changed" : null},
    el("button", {class: "row", type: "button", "data-id": object.id, onclick: () => open(object.id)},
      el("span", {class: "avatar", "aria-hidden": "true"}, badge),
      el("span", {class: "who"}, title, el("span", {}, details)),
      el("span", {class: "meta"}, ...meta)));
}

let lastSearch = 0;

async function load() {
  const search = ++lastSearch;
  const query = $("search").value.trim();
  const {one, row, none} = KINDS[kind];
  const page = await call("GET", `dashboard/${kind}?limit=${PAGE}&offset=${offset}&q=${encodeURIComponent(query)}`);
  if (search !== lastSearch) {
    return;
  }
  const focused = document.activeElement?.dataset?.id;
  more = page.has_more;
  $("rows").replaceChildren(...page.data.map(row));
  shown = new Map(page.data.map(object => [object.id, JSON.stringify(object)]));
  if (focused) {
    document.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }
  $("rows-empty").hidden = page.data.length > 0;
  $("rows-empty").textContent = query ? `No ${one} matches “${query}”.` : none;
  $("page-range").textContent = page.data.length ? `${offset + 1}–${offset + page.data.length}` : "";
  $("newer").disabled = offset === 0;
  $("older").disabled = !more;
}

function turn(by) {
  offset = Math.max(0, offset + by);
  shown = new Map();
  load().catch(lost);
}

function selectKind(name) {
  kind = name;
  select("tab-", Object.keys(KINDS), name);
  $("new-what").textContent = " " + KINDS[name].one;
  $("search").value = "";
  $("search").placeholder = KINDS[name].placeholder;
  $("rows").setAttribute("aria-labelledby", "tab-" + name);
  turn(-offset);
}

/** Marks one tab of several as the selected one, and focuses it. */
function select(prefix, names, chosen) {
  for (const name of names) {
    $(prefix + name).setAttribute("aria-selected", name === chosen);
    $(prefix + name).tabIndex = name === chosen ? 0 : -1;
  }
  $(prefix + chosen).focus();
}

/** The arrow keys move through tabs. */
function arrows(tablist, names, current, choose) {
  $(tablist).addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step) {
      choose(names[(names.indexOf(current()) + step + names.length) % names.length]);
    }
  });
}

// ---------------------------------------------------------------- editor

const FIELDS = ["name", "email", "phone", "description"];
const ADDRESS = ["line1", "line2", "city", "state", "postal_code", "country"];
let edited = null;

function field(name) {
  return $("editor-form").elements[name];
}

function metadataRow(key = "", value = "") {
  const row = el("div", {class: "pair"},
    el("input", {"aria-label": "Key", placeholder: "key", maxlength: 40, spellcheck: "false", autocomplete: "off"}),
    el("input", {"aria-label": "Value", placeholder: "value", maxlength: 500, spellcheck: "false", autocomplete: "off"}),
    el("button", {class: "quiet", type: "button", "aria-label": "Remove this key", onclick: () => row.remove()}, "✕"));
  const [keyInput, valueInput] = row.querySelectorAll("input");
  keyInput.value = key;
  valueInput.value = value;
  $("metadata").append(row);
  return keyInput;
}

async function openEditor(id) {
  edited = id ? await call("GET", "dashboard/customers/" + id).catch(fail) : null;
  if (id && (!edited || edited.deleted)) {
    return;
  }
  $("editor-title").textContent = id ? edited.name || edited.email || "Customer" : "New customer";
  $("editor-id").textContent = id || "";
  $("editor-delete").hidden = !id;
  $("editor-invoice").hidden = !id;
  $("editor-save").textContent = id ? "Save" : "Create";
  unsure();
  showProblem(null);
  FIELDS.forEach(name => field(name).value = edited?.[name] ?? "");
  ADDRESS.forEach(name => field("address." + name).value = edited?.address?.[name] ?? "");
  $("metadata").replaceChildren();
  Object.entries(edited?.metadata ?? {}).forEach(([key, value]) => metadataRow(key, value));
  if (id) {
    history.replaceState(null, "", "#" + id);
  }
  $("editor").showModal();
  $("editor").querySelector(".dialog-body").scrollTop = 0;
  field("name").focus();
}

/** Only what the person changed: the other side may have changed the rest meanwhile. */
function changes() {
  const result = {};
  for (const name of FIELDS) {
    if (field(name).value !== (edited?.[name] ?? "")) {
      result[name] = field(name).value;
    }
  }
  const address = Object.fromEntries(ADDRESS.map(name => [name, field("address." + name).value]));
  const changed = ADDRESS.filter(name => address[name] !== (edited?.address?.[name] ?? ""));
  if (changed.length) {
    const empty = ADDRESS.every(name => address[name] === "");
    result.address = empty ? "" : Object.fromEntries(changed.map(name => [name, address[name]]));
  }
  const before = edited?.metadata ?? {};
  const after = {};
  for (const row of $("metadata").children) {
    const [key, value] = [...row.querySelectorAll("input")].map(input => input.value);
    if (key.trim()) {
      after[key.trim()] = value;
    }
  }
  const metadata = {};
  Object.keys(before).filter(key => !(key in after)).forEach(key => metadata[key] = "");
  Object.entries(after).filter(([key, value]) => before[key] !== value).forEach(([key, value]) => metadata[key] = value);
  if (Object.keys(metadata).length) {
    result.metadata = metadata;
  }
  return result;
}

function showProblem(error) {
  for (const input of $("editor-form").elements) {
    input.removeAttribute?.("aria-invalid");
  }
  $("editor-problem").hidden = !error;
  $("editor-problem").textContent = error?.message ?? "";
  const wrong = error?.param && field(error.param.replace("[", ".").replace("]", ""));
  if (wrong) {
    wrong.setAttribute("aria-invalid", "true");
    wrong.focus();
    wrong.scrollIntoView({block: "center"});
  }
}

async function save(event) {
  event.preventDefault();
  const change = changes();
  try {
    if (!edited || Object.keys(change).length) {
      await call("POST", "dashboard/customers" + (edited ? "/" + edited.id : ""), change);
    }
    $("editor").close();
    if (!edited) {
      offset = 0;
    }
    refresh();
  } catch (error) {
    showProblem(error);
  }
}

function unsure() {
  $("editor-delete").classList.remove("sure");
  $("editor-delete").textContent = "Delete";
}

async function remove() {
  const button = $("editor-delete");
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    button.textContent = "Really delete";
    return;
  }
  try {
    await call("DELETE", "dashboard/customers/" + edited.id);
    $("editor").close();
    refresh();
  } catch (error) {
    showProblem(error);
  }
}

// ---------------------------------------------------------------- activity

const DELIVERY = {
  pending: ["", "pending"],
  sending: ["", "sending"],
  retrying: ["warn", "retrying"],
  succeeded: ["good", "delivered"],
  lost: ["bad", "lost"],
  failed: ["bad", "given up"],
};

function deliveryPill(delivery) {
  const [kind, word] = DELIVERY[delivery.status];
  const times = delivery.attempts > 1 ? ` ×${delivery.attempts}` : "";
  const copy = delivery.duplicate ? "copy " : "";
  const outcome = delivery.status === "retrying" && delivery.outcome ? ": " + delivery.outcome : "";
  return el("span", {class: "pill " + kind, title: `${delivery.endpoint}: ${delivery.attempts} attempts. ${delivery.outcome ?? ""}`}, copy + word + times + outcome);
}

/** Replaces a feed, keeping what is open, and where it is scrolled to. */
function fill(feed, entries, none) {
  const open = new Set([...feed.querySelectorAll("details[open]")].map(details => details.dataset.key));
  const focused = feed.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.key : null;
  const top = feed.scrollTop;
  feed.replaceChildren(...entries.map(entry => {
    const details = el("details", {"data-key": entry.key, open: open.has(entry.key)},
      el("summary", {},
        el("span", {class: "line"}, el("span", {class: "what"}, entry.what), el("span", {class: "when"}, entry.when)),
        el("span", {class: "line"}, el("span", {class: "about"}, entry.about), el("span", {class: "pills"}, ...entry.pills))));
    const show = () => details.open && !details.querySelector("pre") && details.append(el("pre", {}, JSON.stringify(entry.json, null, 2)));
    details.addEventListener("toggle", show);
    show();
    return el("li", {}, details);
  }));
  if (!entries.length) {
    feed.append(el("li", {class: "empty"}, none));
  }
  feed.scrollTop = top;
  if (focused) {
    feed.querySelector(`[data-key="${CSS.escape(focused)}"] summary`)?.focus();
  }
}

function showEvents(state) {
  const deliveries = Map.groupBy ? Map.groupBy(state.deliveries, delivery => delivery.event) : group(state.deliveries);
  fill($("events"), state.events.map(event => {
    const object = event.data.object;
    const key = event.request.idempotency_key;
    return {
      key: event.id,
      what: event.type,
      when: ago(event.created),
      about: (object.name || object.number || object.description || object.id || "") + "  ·  " + (key ? "API, " + key : "no idempotency key"),
      pills: (deliveries.get(event.id) ?? []).map(deliveryPill),
      json: event,
    };
  }), "No events yet. Each change to an object shows up here, with its webhooks.");
}

function group(deliveries) {
  const groups = new Map();
  deliveries.forEach(delivery => groups.set(delivery.event, [...groups.get(delivery.event) ?? [], delivery]));
  return groups;
}

function showCalls(calls) {
  fill($("calls"), calls.map(call => {
    const kind = call.status === 0 || call.status >= 500 ? "bad" : call.status >= 400 ? "warn" : "good";
    return {
      key: call.request_id,
      what: call.method + " " + call.path,
      when: ago(Date.parse(call.time) / 1000),
      about: call.idempotency_key ?? call.request_id,
      pills: [
        call.replayed ? el("span", {class: "pill"}, "replayed") : null,
        call.answered ? null : el("span", {class: "pill bad"}, "no answer"),
        el("span", {class: "pill " + kind}, call.status || "reset"),
      ].filter(Boolean),
      json: call,
    };
  }), "No API calls yet. The requests that come in at /v1 show up here.");
}

const FEEDS = ["events", "calls"];

function selectTab(name) {
  select("tab-", FEEDS, name);
  FEEDS.forEach(feed => $(feed).hidden = feed !== name);
  refresh();
}

// ---------------------------------------------------------------- faults

const FAULTS = [
  ["API calls", [
    ["too_many_requests", "Too many requests", "429 with Retry-After, nothing done"],
    ["lock_timeout", "Lock time-out", "429, the object is in use"],
    ["server_error", "Server error", "500, nothing done, kept under the key"],
    ["reset_before_commit", "Reset before", "connection closed, nothing done"],
    ["reset_after_commit", "Reset after", "done, then closed without an answer"],
    ["hang_after_commit", "Hang after", "done, then never answered"],
  ], [
    ["latency_ms", "Latency", "ms"],
    ["latency_jitter_ms", "Jitter", "ms"],
    ["requests_per_second", "Limit", "/s"],
    ["method", "Only method", ["", "GET", "POST", "DELETE"]],
    ["path", "Only paths from", "/v1/customers"],
  ]],
  ["Webhooks", [
    ["webhook_lost", "Lost", "never sent"],
    ["webhook_duplicated", "Duplicated", "sent twice"],
    ["webhook_shuffled", "Shuffled", "held back, may be overtaken"],
  ], [
    ["webhook_delay_min_ms", "Delay from", "ms"],
    ["webhook_delay_max_ms", "Delay to", "ms"],
    ["seed", "Seed", ""],
  ]],
];

async function setFaults(change) {
  try {
    showFaults(await call("POST", "faults", change));
    $("fault-problem").hidden = true;
  } catch (error) {
    $("fault-problem").hidden = false;
    $("fault-problem").textContent = error.message;
  }
}

function faultRow([name, title, why]) {
  const percent = el("input", {type: "number", min: 0, max: 100, step: 1, id: name, "aria-label": title + ", share in percent",
    onchange: event => setFaults({[name]: {probability: Number(event.target.value) / 100}})});
  const next = el("button", {type: "button", id: name + "-next", "aria-label": title + ": hit the next one",
    onclick: event => setFaults({[name]: {next: Number(event.target.dataset.next || 0) + 1}})}, "Next");
  return el("div", {class: "fault", id: name + "-row"},
    el("div", {}, el("div", {class: "name"}, title), el("div", {class: "why"}, why)),
    el("span", {class: "suffixed"}, percent, el("i", {}, "%")), next);
}

function knob([name, title, unit]) {
  if (Array.isArray(unit)) {
    return el("label", {}, title, el("select", {id: name, onchange: event => setFaults({[name]: event.target.value || null})},
      ...unit.map(option => el("option", {value: option}, option || "any"))));
  }
  if (name === "path") {
    return el("label", {}, title, el("input", {id: name, placeholder: unit, spellcheck: "false", autocomplete: "off",
      onchange: event => setFaults({path: event.target.value.trim() || null})}));
  }
  return el("label", {}, title, el("span", {class: "suffixed"},
    el("input", {type: "number", min: 0, id: name, onchange: event => setFaults({[name]: Number(event.target.value)})}), el("i", {}, unit)));
}

function buildFaults() {
  $("fault-form").append(...FAULTS.map(([title, faults, knobs]) => el("div", {class: "group"},
    el("h3", {}, title), ...faults.map(faultRow), el("div", {class: "knobs"}, ...knobs.map(knob)))));
  $("fault-form").addEventListener("submit", event => event.preventDefault());
}

function showFaults(faults) {
  let active = 0;
  for (const [name, value] of Object.entries(faults)) {
    const input = $(name);
    if (value && typeof value === "object") {
      if (document.activeElement !== input) {
        input.value = Math.round(value.probability * 1000) / 10;
      }
      const next = $(name + "-next");
      next.dataset.next = value.next;
      next.textContent = value.next ? `Next ${value.next}` : "Next";
      next.classList.toggle("armed", value.next > 0);
      const on = value.next > 0 || value.probability > 0;
      $(name + "-row").classList.toggle("on", on);
      active += on;
    } else {
      if (document.activeElement !== input) {
        input.value = value ?? "";
      }
      active += ["latency_ms", "latency_jitter_ms", "requests_per_second", "webhook_delay_max_ms"].includes(name) && value > 0;
    }
  }
  for (const badge of ["fault-badge", "fault-badge-nav"]) {
    $(badge).hidden = !active;
    $(badge).textContent = active === 1 ? "1 on" : active + " on";
  }
}

// ---------------------------------------------------------------- live

let version = null;

function live(kind, text) {
  $("live-dot").className = "dot " + kind;
  $("live-text").textContent = text;
}

function lost() {
  live("bad", "Not reachable");
}

function fail(error) {
  live("bad", error.message);
}

async function refresh() {
  try {
    const state = await call("GET", "state");
    if (state.version !== version) {
      version = state.version;
      await load();
    }
    document.querySelectorAll("[data-created]").forEach(time => time.textContent = ago(Number(time.dataset.created)));
    Object.keys(KINDS).forEach(name => $("count-" + name).textContent = state.objects[name].toLocaleString());
    if ($("events").hidden) {
      showCalls(await call("GET", "calls?limit=50"));
    } else {
      showEvents(state);
    }
    showFaults(await call("GET", "faults"));
    live(state.webhooks_idle ? "good" : "busy", state.webhooks_idle ? "Live" : "Delivering");
  } catch (error) {
    lost();
  }
}

async function poll() {
  if (!document.hidden) {
    await refresh();
  }
  setTimeout(poll, POLL_MS);
}

let typing;

$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => turn(-offset), 150);
});
$("newer").addEventListener("click", () => turn(-PAGE));
$("older").addEventListener("click", () => turn(PAGE));
$("new-object").addEventListener("click", () => KINDS[kind].open(null));
Object.keys(KINDS).forEach(name => $("tab-" + name).addEventListener("click", () => selectKind(name)));
$("editor-form").addEventListener("submit", save);
$("editor-close").addEventListener("click", () => $("editor").close());
$("editor-cancel").addEventListener("click", () => $("editor").close());
$("editor-invoice").addEventListener("click", () => {
  $("editor").close();
  openInvoice(null, edited);
});
$("editor-delete").addEventListener("click", remove);
$("editor-delete").addEventListener("blur", unsure);
$("add-metadata").addEventListener("click", () => metadataRow().focus());
$("tab-events").addEventListener("click", () => selectTab("events"));
$("tab-calls").addEventListener("click", () => selectTab("calls"));
$("clear-faults").addEventListener("click", () => call("DELETE", "faults").then(showFaults).catch(lost));
arrows("kinds", Object.keys(KINDS), () => kind, selectKind);
arrows("feeds", FEEDS, () => $("events").hidden ? "calls" : "events", selectTab);
document.addEventListener("keydown", event => {
  const typingNow = event.target.closest("input, textarea, select, dialog");
  if (!typingNow && !event.ctrlKey && !event.metaKey && !event.altKey) {
    if (event.key === "/") {
      event.preventDefault();
      $("search").focus();
    } else if (event.key === "n") {
      event.preventDefault();
      KINDS[kind].open(null);
    }
  }
  const row = event.target.closest(".rows li");
  if (row && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    (event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling)?.querySelector("button").focus();
  }
});

$("editor").addEventListener("close", forgetHash);

function forgetHash() {
  history.replaceState(null, "", location.pathname);
}

const OPENED_BY = {cus_: "customers", in_: "invoices", prod_: "products"};

buildFaults();
startBilling();
poll();
for (const [prefix, name] of Object.entries(OPENED_BY)) {
  if (location.hash.startsWith("#" + prefix)) {
    selectKind(name);
    KINDS[name].open(location.hash.slice(1));
  } else if (location.hash === "#" + name) {
    selectKind(name);
  }
}
