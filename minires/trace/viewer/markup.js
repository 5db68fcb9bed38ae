// Markup: strings that are safe to put into the page, and the one way in which a number is written.
// page.py joins the scripts of this folder into one module, because a notebook loads exactly one.

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function asText(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(asText).join("");
  return value === false || value === null || value === undefined ? "" : escaped(value);
}

// html`...` escapes every value but markup and lists of markup
const html = (parts, ...values) =>
  new Markup(parts.map((part, i) => part + (i < values.length ? asText(values[i]) : "")).join(""));

function format(value) {
  if (value === null) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const digits =
    size >= 1e3 && size < 1e5 ? String(Number(value.toPrecision(3)))
    : size >= 1e-3 && size < 1e3 ? value.toPrecision(3)
    : value.toExponential(2);
  return digits.replace("e+", "e").replaceAll("-", "−");
}

// a key is a way into the document: "blocks.3.terms.branch.norm"
const lookUp = (doc, key) => key.split(".").reduce((found, name) => found?.[name], doc);
const size = (doc, key) => lookUp(doc, key) ?? 0;

// a number of the document, with its key for those who check it; nothing where the document has none
function number(tag, doc, key) {
  const value = lookUp(doc, key);
  return value !== undefined && html`<${tag} class="num" data-key="${key}">${format(value)}</${tag}>`;
}

const num = (doc, key) => number("span", doc, key);
const svgNum = (doc, key) => number("tspan", doc, key);

const sub = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
