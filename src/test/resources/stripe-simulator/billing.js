// Invoices and products of the simulator's page. page.js, which comes after, holds what the two share, and calls startBilling().
"use strict";

// ---------------------------------------------------------------- money

// Stripe's own lists, which are not quite the ISO's: https://docs.stripe.com/currencies
const ZERO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split(" ");
const THREE_DECIMALS = "BHD JOD KWD OMR TND".split(" ");
const COMMON = ["nok", "eur", "usd", "gbp", "jpy", "kwd"];

function decimals(currency) {
  const code = currency.toUpperCase();
  return ZERO_DECIMALS.includes(code) ? 0 : THREE_DECIMALS.includes(code) ? 3 : 2;
}

/** An amount in the minor unit, as a person reads it; prices may have more decimals than the currency. */
function money(amount, currency, most = decimals(currency)) {
  const digits = decimals(currency);
  const value = Number(amount) / 10 ** digits;
  try {
    return new Intl.NumberFormat(undefined, {style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: Math.max(digits, most)}).format(value);
  } catch {
    return value.toFixed(digits);
  }
}

/** An amount in the minor unit, as an input shows it. */
function typed(amount, currency) {
  const value = Number(amount) / 10 ** decimals(currency);
  return Number.isInteger(Number(amount)) ? value.toFixed(decimals(currency)) : String(value);
}

/** What a person typed, in the minor unit; null when it is not an amount of the currency. */
function minor(text, currency) {
  const digits = decimals(currency);
  const match = /^(-?)(\d+)(?:[.,](\d+))?$/.exec(text.trim().replace(/[\s']/g, ""));
  if (!match || (match[3] ?? "").length > digits) {
    return null;
  }
  return Number(match[1] + match[2] + (match[3] ?? "").padEnd(digits, "0"));
}

// ---------------------------------------------------------------- rows

const STATUS = {draft: "", open: "warn", paid: "good", void: "", uncollectible: "bad"};

function statusPill(status) {
  return el("span", {class: "pill " + STATUS[status]}, status);
}

function invoiceRow(invoice) {
  const who = invoice.customer_name || invoice.customer_email || invoice.customer;
  const what = invoice.lines.data.map(line => line.description).filter(Boolean).join(", ");
  return row(invoice, openInvoice, initials({name: invoice.customer_name, email: invoice.customer_email}),
    [el("b", {}, who), [invoice.number, invoice.description || what || "No lines"].filter(Boolean).join("  ·  ")],
    [el("span", {class: "money"}, money(invoice.total, invoice.currency)), statusPill(invoice.status)]);
}

/** What a price is worth, in a word where it is no amount. */
function priceText(price) {
  const amount = !price ? "No price" : price.tiers_mode ? "Tiers" : price.custom_unit_amount ? "Any amount" : money(price.unit_amount_decimal, price.currency, 12);
  return price?.recurring ? `${amount} / ${price.recurring.interval}` : amount;
}

function productRow(product) {
  const price = product.default_price;
  return row(product, openProduct, initials(product), [el("b", {}, product.name), product.description || "No description"],
    [el("span", {class: "money"}, priceText(price)),
      product.active ? el("span", {class: "mono"}, product.id) : el("span", {class: "pill"}, "archived")]);
}

// ---------------------------------------------------------------- invoice

let invoice = null;
let gone = [];

function currency() {
  return invoice?.currency ?? $("invoice-form").elements.currency.value;
}

function lineRow(line) {
  const item = line?.parent[line.parent.type]?.invoice_item;
  const editable = !invoice || invoice.status === "draft" && (!line || item);
  const unit = line ? typed(line.pricing?.unit_amount_decimal ?? line.amount, currency()) : "";
  const input = (name, label, value, more = {}) => el("input", {"aria-label": label, placeholder: label, autocomplete: "off", disabled: !editable, value,
    "data-name": name, "data-before": value, oninput: addUp, ...more});
  const made = el("div", {class: "line-row", "data-item": item},
    input("description", "Description", line?.description ?? ""),
    input("quantity", "Quantity", line?.quantity_decimal ?? 1, {inputmode: "decimal"}),
    input("unit_amount", "Unit price", unit, {inputmode: "decimal"}),
    el("span", {class: "money"}, line ? money(line.amount, currency()) : ""),
    editable ? el("button", {class: "quiet", type: "button", "aria-label": "Remove this line", onclick: () => {
      gone.push(made.dataset.item);
      made.remove();
      addUp();
    }}, "✕") : null);
  $("lines").append(made);
  return made;
}

const lineRows = () => [...$("lines").querySelectorAll(".line-row")];

/** What a line's inputs say, with the amount in the minor unit, null where it makes no sense. */
function lineValues(line) {
  const [description, quantity, unit] = [...line.querySelectorAll("input")].map(input => input.value.trim());
  return {description, quantity: /^\d+([.,]\d{1,12})?$/.test(quantity) ? quantity.replace(",", ".") : null, unit_amount: minor(unit, currency())};
}

/** Adds up what is typed; the simulator has the last word when it is saved. */
function addUp() {
  let total = 0;
  for (const line of lineRows()) {
    const {quantity, unit_amount: unit} = lineValues(line);
    if ([...line.querySelectorAll("input")].some(input => input.value !== input.dataset.before)) {
      line.dataset.amount = quantity === null || unit === null ? "" : Math.sign(unit) * Math.round(Number(quantity) * Math.abs(unit));
      line.querySelector(".money").textContent = line.dataset.amount ? money(line.dataset.amount, currency()) : "";
    }
    total += Number(line.dataset.amount ?? 0);
  }
  const touched = !invoice || gone.length || lineRows().some(line => !line.dataset.item && invoice.status === "draft"
    || [...line.querySelectorAll("input")].some(input => input.value !== input.dataset.before)) || extrasTouched().length > 0;
  $("invoice-total-name").textContent = touched ? "Lines" : "Total";
  $("invoice-total").textContent = money(touched ? total : invoice.total, currency());
  $("invoice-figures").hidden = $("invoice-payment").hidden = Boolean(touched);
  if (!touched) {
    showFigures();
  }
}

/** What Stripe makes of the lines: above the total how it comes about, below it what is owed. */
function showFigures() {
  const sum = list => list.reduce((all, one) => all + one.amount, 0);
  const rows = pairs => pairs.filter(([, amount]) => amount !== null).flatMap(([name, amount]) => [el("dt", {}, name), el("dd", {}, money(amount, invoice.currency))]);
  const taxes = invoice.total_taxes.map(tax => {
    const rate = invoice.default_tax_rates.find(one => one.id === tax.tax_rate_details.tax_rate);
    return [`${rate?.display_name ?? "Tax"}${rate ? ` ${rate.percentage} %` : ""}${tax.tax_behavior === "inclusive" ? ", included" : ""}`, tax.amount];
  });
  $("invoice-figures").replaceChildren(...rows([["Subtotal", invoice.subtotal], ["Discounts", sum(invoice.total_discount_amounts) ? -sum(invoice.total_discount_amounts) : null],
    ...taxes, ["Shipping", invoice.shipping_cost?.amount_total ?? null]]));
  $("invoice-payment").replaceChildren(...rows([["Paid", invoice.amount_paid || null], ["Amount due", invoice.amount_remaining]]));
}

const EXTRAS = ["tax", "inclusive", "discount", "shipping"];

/** What an invoice says of its tax, discount and shipping, as the inputs show it. Of a discount only the amount is known. */
function extrasOf(invoice) {
  const rate = invoice?.default_tax_rates[0];
  const off = (invoice?.total_discount_amounts ?? []).filter(one => invoice.discounts.includes(one.discount)).reduce((all, one) => all + one.amount, 0);
  return {tax: rate ? String(rate.percentage) : "", inclusive: String(rate?.inclusive ?? false), discount: off ? typed(off, invoice.currency) : "",
    shipping: invoice?.shipping_cost ? typed(invoice.shipping_cost.amount_total, invoice.currency) : ""};
}

function extrasTouched() {
  const before = extrasOf(invoice);
  const fields = $("invoice-form").elements;
  return EXTRAS.filter(name => fields[name].value.trim() !== before[name] && (name !== "inclusive" || fields.tax.value.trim()));
}

/** What the person changed of tax, discount and shipping, in the simulator's words. */
function readExtras() {
  const fields = $("invoice-form").elements;
  const touched = extrasTouched();
  const value = name => fields[name].value.trim().replace(",", ".");
  const amount = name => minor(fields[name].value, currency()) ?? wrong(fields[name], `The ${name} is an amount in ${currency().toUpperCase()}, such as ${typed(500, currency())}.`);
  const result = {};
  for (const name of EXTRAS) {
    fields[name].removeAttribute("aria-invalid");
  }
  if (touched.includes("tax") || touched.includes("inclusive")) {
    result.tax_rate = !value("tax") ? null : /^\d+(\.\d{1,4})?$/.test(value("tax")) ? {percentage: value("tax"), inclusive: value("inclusive") === "true"}
      : wrong(fields.tax, "A tax rate is a percentage with four decimals at most.");
  }
  if (touched.includes("discount")) {
    const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(value("discount"));
    result.discount = !value("discount") ? null : percent ? {percent_off: percent[1]} : {amount_off: amount("discount")};
  }
  if (touched.includes("shipping")) {
    result.shipping = value("shipping") ? amount("shipping") : null;
  }
  return result;
}

function wrong(input, message) {
  input.setAttribute("aria-invalid", true);
  input.focus();
  throw new Error(message);
}

async function openInvoice(id, customer) {
  try {
    invoice = id ? await call("GET", "dashboard/invoices/" + id) : null;
    const people = invoice || customer ? [] : (await call("GET", "dashboard/customers?limit=100")).data;
    showInvoice(customer ? [customer] : people);
  } catch (error) {
    fail(error);
  }
}

function showInvoice(people) {
  const fields = $("invoice-form").elements;
  const status = invoice?.status ?? "new";
  const draft = !invoice || status === "draft";
  gone = [];
  $("invoice-title").textContent = invoice ? invoice.number ?? "Invoice for " + (invoice.customer_name || invoice.customer_email || "no name") : "New invoice";
  $("invoice-status").hidden = !invoice;
  $("invoice-status").textContent = status;
  $("invoice-status").className = "pill " + (STATUS[status] ?? "");
  $("invoice-id").textContent = invoice?.id ?? "";
  const name = person => person.name || person.email || person.id;
  fields.customer.replaceChildren(...(invoice ? [el("option", {value: invoice.customer}, invoice.customer_name || invoice.customer_email || invoice.customer)]
    : people.map(person => el("option", {value: person.id}, name(person)))));
  fields.customer.disabled = fields.currency.disabled = Boolean(invoice);
  fields.currency.value = invoice?.currency ?? (people[0]?.currency || COMMON[0]);
  fields.due.value = invoice?.due_date ? new Date(invoice.due_date * 1000).toISOString().slice(0, 10) : "";
  fields.memo.value = invoice?.description ?? "";
  for (const field of [fields.due, fields.memo]) {
    field.disabled = !draft;
    field.closest("label").hidden = !draft && !field.value;
  }
  Object.entries(extrasOf(invoice)).forEach(([name, value]) => {
    fields[name].value = value;
    fields[name].removeAttribute("aria-invalid");
  });
  $("invoice-extras").hidden = !draft;
  $("lines").className = draft ? "lines" : "lines settled";
  $("lines").replaceChildren(el("div", {class: "line-head"}, ...["Description", "Quantity", "Unit price", "Amount"].map(title => el("span", {}, title))));
  (invoice?.lines.data ?? []).forEach(line => lineRow(line).dataset.amount = line.amount);
  if (!invoice) {
    lineRow(null);
  }
  addUp();
  $("add-line").hidden = !draft;
  $("invoice-history").textContent = Object.entries(invoice?.status_transitions ?? {}).filter(([, time]) => time).sort(([, a], [, b]) => a - b)
    .map(([step, time]) => step.replace("_at", "").replaceAll("_", " ") + " " + ago(time)).join("  ·  ");
  $("invoice-end").hidden = !["draft", "open", "uncollectible"].includes(status);
  $("invoice-give-up").hidden = status !== "open";
  $("invoice-save").hidden = !draft;
  $("invoice-save").textContent = invoice ? "Save" : "Create draft";
  $("invoice-save").classList.toggle("primary", !invoice);
  $("invoice-next").hidden = !["draft", "open", "uncollectible"].includes(status);
  $("invoice-next").textContent = draft ? "Finalize" : "Pay";
  hesitate();
  problem("invoice", null);
  if (invoice) {
    history.replaceState(null, "", "#" + invoice.id);
  }
  if (!$("invoice").open) {
    $("invoice").showModal();
  }
  (invoice ? $("invoice-close") : fields.customer).focus();
}

function problem(dialog, error) {
  $(dialog + "-problem").hidden = !error;
  $(dialog + "-problem").textContent = error?.message ?? "";
}

/** Reads a line that is new or changed, and marks what makes no sense. */
function readLine(line) {
  const values = lineValues(line);
  for (const input of line.querySelectorAll("input")) {
    const wrong = values[input.dataset.name] === null;
    input.setAttribute("aria-invalid", wrong);
    if (wrong) {
      input.focus();
      throw new Error(input.dataset.name === "quantity" ? "A quantity is a number with 12 decimals at most." : `A price in ${currency().toUpperCase()} has ${decimals(currency()) || "no"} decimals.`);
    }
  }
  const inputs = [...line.querySelectorAll("input")].filter(input => !line.dataset.item || input.value !== input.dataset.before);
  return Object.fromEntries(inputs.map(input => [input.dataset.name, values[input.dataset.name]]));
}

/** Saves a draft: only what the person changed. */
async function saveInvoice() {
  const fields = $("invoice-form").elements;
  const lines = lineRows().filter(line => line.dataset.item || line.querySelector("input").value || line.querySelectorAll("input")[2].value)
    .map(line => ({item: line.dataset.item, touched: [...line.querySelectorAll("input")].some(input => input.value !== input.dataset.before), line}))
    .filter(({item, touched}) => !item || touched)
    .map(({item, line}) => ({item, values: readLine(line)}));
  if (!invoice) {
    invoice = await call("POST", "dashboard/invoices", {customer: fields.customer.value, currency: fields.currency.value.trim().toLowerCase(), memo: fields.memo.value,
      due_date: fields.due.value, ...readExtras(), lines: lines.map(line => line.values)});
    return;
  }
  const path = "dashboard/invoices/" + invoice.id;
  const head = readExtras();
  if (fields.memo.value !== (invoice.description ?? "")) {
    head.memo = fields.memo.value;
  }
  if (fields.due.value !== (invoice.due_date ? new Date(invoice.due_date * 1000).toISOString().slice(0, 10) : "")) {
    head.due_date = fields.due.value;
  }
  if (Object.keys(head).length) {
    await call("POST", path, head);
  }
  for (const item of gone.filter(Boolean)) {
    await call("DELETE", `${path}/lines/${item}`);
  }
  for (const {item, values} of lines) {
    await call("POST", `${path}/lines${item ? "/" + item : ""}`, values);
  }
}

/** Does something with the invoice, and shows what came of it, or what is wrong. */
async function withInvoice(action, close) {
  try {
    await action();
    if (close) {
      $("invoice").close();
    } else {
      await openInvoice(invoice.id);
    }
    refresh();
  } catch (error) {
    problem("invoice", error);
  }
}

function hesitate() {
  $("invoice-end").classList.remove("sure");
  $("invoice-end").textContent = !invoice ? "" : invoice.status === "draft" ? "Delete" : "Void";
}

function endInvoice() {
  const button = $("invoice-end");
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    button.textContent = "Really " + button.textContent.toLowerCase();
  } else if (invoice.status === "draft") {
    withInvoice(() => call("DELETE", "dashboard/invoices/" + invoice.id), true);
  } else {
    withInvoice(() => call("POST", `dashboard/invoices/${invoice.id}/void`, {}));
  }
}

function nextStep() {
  withInvoice(async () => {
    if (!invoice || invoice.status === "draft") {
      await saveInvoice();
      await call("POST", `dashboard/invoices/${invoice.id}/finalize`, {});
    } else {
      await call("POST", `dashboard/invoices/${invoice.id}/pay`, {});
    }
  });
}

// ---------------------------------------------------------------- product

let product = null;

async function openProduct(id) {
  try {
    product = id ? await call("GET", "dashboard/products/" + id) : null;
  } catch (error) {
    return fail(error);
  }
  const fields = $("product-form").elements;
  const price = product?.default_price;
  $("product-title").textContent = product?.name ?? "New product";
  $("product-id").textContent = product?.id ?? "";
  fields.name.value = product?.name ?? "";
  fields.description.value = product?.description ?? "";
  fields.price.value = priceTyped(price);
  fields.price.placeholder = price ? priceText(price) : "";
  fields.interval.value = price?.recurring?.interval ?? "";
  fields.interval.disabled = Boolean(product);
  $("product-subscribe").hidden = !price?.recurring;
  if (price?.recurring) {
    const people = (await call("GET", "dashboard/customers?limit=100")).data;
    fields.subscriber.replaceChildren(...people.map(person => el("option", {value: person.id}, person.name || person.email || person.id)));
    fields.subscribed.value = 1;
    $("subscribe").disabled = !people.length;
  }
  fields.currency.value = price?.currency ?? COMMON[0];
  $("product-archive").hidden = !product;
  $("product-archive").textContent = product?.active === false ? "Sell again" : "Archive";
  $("product-save").textContent = product ? "Save" : "Create";
  problem("product", null);
  if (product) {
    history.replaceState(null, "", "#" + product.id);
  }
  $("product").showModal();
  fields.name.focus();
}

/** A price as its input shows it: empty where there is none, or it is no amount. */
function priceTyped(price) {
  return price?.unit_amount_decimal ? typed(price.unit_amount_decimal, price.currency) : "";
}

/** Subscribes a customer, and shows the first invoice. */
async function subscribe() {
  const fields = $("product-form").elements;
  try {
    const made = await call("POST", "dashboard/subscriptions", {customer: fields.subscriber.value, price: product.default_price.id, quantity: fields.subscribed.value.trim()});
    $("product").close();
    refresh();
    openInvoice(made.latest_invoice);
  } catch (error) {
    problem("product", error);
  }
}

async function saveProduct(change) {
  try {
    await call("POST", "dashboard/products" + (product ? "/" + product.id : ""), change());
    $("product").close();
    refresh();
  } catch (error) {
    problem("product", error);
  }
}

function productChanges() {
  const fields = $("product-form").elements;
  const before = product?.default_price;
  const code = fields.currency.value.trim().toLowerCase();
  const change = {};
  for (const name of ["name", "description"]) {
    if (fields[name].value !== (product?.[name] ?? "")) {
      change[name] = fields[name].value;
    }
  }
  if (fields.price.value !== priceTyped(before) || before && code !== before.currency) {
    change.unit_amount = fields.price.value.trim() ? minor(fields.price.value, code) : null;
    if (change.unit_amount === null && fields.price.value.trim()) {
      throw new Error(`A price in ${code.toUpperCase()} has ${decimals(code) || "no"} decimals.`);
    }
    if (change.unit_amount !== null) {
      change.currency = code;
      if (!product && fields.interval.value) {
        change.interval = fields.interval.value;
      }
    }
  }
  return change;
}

// ---------------------------------------------------------------- start

function startBilling() {
  $("currencies").append(...COMMON.map(code => el("option", {value: code})));
  $("invoice-form").addEventListener("submit", event => {
    event.preventDefault();
    withInvoice(saveInvoice);
  });
  $("invoice-form").elements.currency.addEventListener("input", addUp);
  EXTRAS.forEach(name => $("invoice-form").elements[name].addEventListener("input", addUp));
  $("subscribe").addEventListener("click", subscribe);
  $("add-line").addEventListener("click", () => {
    lineRow(null).querySelector("input").focus();
    addUp();
  });
  $("invoice-close").addEventListener("click", () => $("invoice").close());
  $("invoice-end").addEventListener("click", endInvoice);
  $("invoice-end").addEventListener("blur", hesitate);
  $("invoice-give-up").addEventListener("click", () => withInvoice(() => call("POST", `dashboard/invoices/${invoice.id}/mark_uncollectible`, {})));
  $("invoice-next").addEventListener("click", nextStep);
  $("product-form").addEventListener("submit", event => {
    event.preventDefault();
    saveProduct(productChanges);
  });
  $("product-close").addEventListener("click", () => $("product").close());
  $("product-archive").addEventListener("click", () => saveProduct(() => ({active: !product.active})));
  $("invoice").addEventListener("close", forgetHash);
  $("product").addEventListener("close", forgetHash);
}
