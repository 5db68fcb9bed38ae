// Opens a report of experiments in Chromium and checks what a reader would see.
// usage: node check_report.mjs CHROMIUM report.html    (playwright-core beside this file or on NODE_PATH)
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, file] = process.argv.slice(2);
const ARGS = [
  ..."--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(" "),
  ..."--disable-background-networking --disable-component-update --disable-sync".split(" "),
];

// What is wider than the window, texts of pictures that are too small, and texts with too little contrast.
const readPage = () => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const luminance = ([red, green, blue]) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  };
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const contrast = (element, property) => {
    const [a, b] = [luminance(rgb(getComputedStyle(element)[property])), luminance(ground(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const visible = (e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return {
    width: document.documentElement.scrollWidth,
    small: all("svg text").filter((e) => e.getBoundingClientRect().height && Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) * parseFloat(getComputedStyle(e).fontSize) < 7.5).map((e) => e.textContent),
    pale: all("main *")
      .filter((e) => !e.closest("svg") && visible(e) && contrast(e, "color") < 4.5)
      .map((e) => e.textContent),
    faint: all("svg [stroke]")
      .filter((e) => !["none", ""].includes(e.getAttribute("stroke")) && !e.hasAttribute("stroke-opacity"))
      .filter((e) => contrast(e, "stroke") < 2)
      .map((e) => e.getAttribute("stroke")),
    cut: all("svg text")
      .filter((e) => {
        const [text, picture] = [e, e.ownerSVGElement].map((one) => one.getBoundingClientRect());
        return text.width && (text.left < picture.left - 1 || text.right > picture.right + 1);
      })
      .map((e) => e.textContent),
    overlapping: all(".card svg").flatMap((picture) => {
      const texts = [...picture.querySelectorAll("text")].filter((e) => e.textContent.trim());
      const boxes = texts.map((e) => e.getBoundingClientRect());
      const over = (a, b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > a.height / 4;
      const where = picture.closest(".card").id;
      return texts.slice(1).flatMap((e, i) => (over(boxes[i], boxes[i + 1]) ? [[where, e.textContent]] : []));
    }),
    cards: all(".card:not(.error)").map((e) => [e.id, e.querySelector(".word").textContent, e.querySelectorAll("svg").length]),
    rows: all("nav li a").map((e) => [e.getAttribute("href").slice(1), e.querySelector(".word").textContent]),
    outside: all(".card, .tiles li, table, figure, svg:not(.wide)")
      .filter((e) => e.getBoundingClientRect().right > innerWidth)
      .map((e) => e.className),
  };
};

async function checkFilter(page) {
  const shown = () => page.locator("[data-filter]:visible").count();
  const all = await shown();
  const input = page.locator(".filter input");
  await input.fill("no card has this");
  assert.equal(await shown(), 0);
  assert.ok(await page.locator(".filter .none").isVisible());
  const { cards } = await page.evaluate(readPage);
  assert.equal(cards.length + (await page.locator(".card.error").count()) + cards.length, all, "cards and their rows");
  await input.fill("");
  assert.equal(await shown(), all);
}

const browser = await chromium.launch({ executablePath, args: ARGS });
let views = 0;
try {
  for (const width of [1280, 390])
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
      const bad = [];
      const url = pathToFileURL(file).href;
      page.on("console", (message) => bad.push(message.text()));
      page.on("pageerror", (error) => bad.push(String(error)));
      page.on("dialog", (dialog) => bad.push(`dialog ${dialog.message()}`));
      page.on("request", (request) => request.url() !== url && !request.url().startsWith("data:") && bad.push(request.url()));
      await page.goto(url);
      const where = `${width} pixels, ${colorScheme}`;
      const { width: wide, small, cut, overlapping, pale, faint, cards, rows, outside } = await page.evaluate(readPage);
      assert.ok(wide <= width, `${where}: ${wide} wide`);
      const wrong = { small, cut, overlapping, pale, faint, outside };
      assert.deepEqual(wrong, { small: [], cut: [], overlapping: [], pale: [], faint: [], outside: [] }, where);
      assert.deepEqual(
        rows,
        cards.map(([name, word]) => [name, word]),
        `${where}: the contents name each card and its verdict`,
      );
      assert.ok(cards.length && cards.every(([, , pictures]) => pictures === 1), `${where}: one picture a card`);
      await checkFilter(page);
      await page.locator("nav li a").last().click();
      assert.ok(page.url().endsWith(`#${rows.at(-1)[0]}`), `${where}: the contents lead to the card`);
      assert.deepEqual(bad, [], `${where}: console, errors or requests`);
      await page.close();
      views += 1;
    }
} finally {
  await browser.close();
}
console.log(`${views} views`);
