// Opens pages of minires.trace.viewer in Chromium and checks what a reader would see.
// usage: node check_pages.mjs CHROMIUM page.html ...    (playwright-core beside this file or on NODE_PATH)
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, ...files] = process.argv.slice(2);
const ARGS = [
  ..."--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(" "),
  ..."--disable-background-networking --disable-component-update --disable-sync".split(" "),
];

// What the page shows, read inside of it: the elements with a key as [key, text, the number of the document], of the
// present block what is shown and what must be, and the canvases that differ from their pictures.
const readPage = () => {
  const doc = JSON.parse(document.getElementById("trace").textContent);
  const find = (key) => key.split(".").reduce((found, name) => found?.[name], doc);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const numbers = all("[data-key]").map((e) => [e.dataset.key, e.textContent, find(e.dataset.key)]);
  const [, phase, number] = document.querySelector(".title")?.textContent.match(/^(\w+).*?block (\d+)/) ?? [];
  const block = doc.blocks[number];
  const differs = (canvas) => {
    const { shape, data } = block.pictures[phase].maps[canvas.dataset.map];
    const pixels = canvas.getContext("2d").getImageData(0, 0, shape[1], shape[0]).data;
    return [...atob(data)].some((c, i) => {
      const value = (c.charCodeAt(0) << 24) >> 24;
      const [red, , blue, alpha] = pixels.slice(4 * i, 4 * i + 4);
      return Math.abs(alpha - (255 * Math.abs(value)) / 127) > 1 || (Math.abs(value) > 9 && red > blue !== value > 0);
    });
  };
  const terms = Object.keys(block?.terms ?? {});
  const wanted =
    phase === "backward"
      ? ["incoming_norm", "outgoing_norm", ...terms.flatMap((t) => [`terms.${t}.norm`, `terms.${t}.share`])]
      : [];
  const shown = all(".shown [data-key]").map((e) => e.dataset.key);
  const drawn = all("canvas").map((e) => e.dataset.map);
  const maps =
    { forward: ["x", "y"], backward: ["incoming", ...terms, "outgoing"] }[block?.pictures ? phase : undefined] ?? [];
  return {
    phase,
    block: number && Number(number),
    numbers,
    wrong: all("canvas")
      .filter(differs)
      .map((canvas) => canvas.dataset.map),
    rows: all(".bars:not(.layers) tbody tr").map((row) => [
      row.querySelector("small").textContent,
      row.querySelector("[data-key]").dataset.key,
    ]),
    layers: all(".layers .num").map((e) => e.dataset.key),
    inside: phase === "backward" ? block.inside.map((_, i) => `blocks.${number}.inside.${i}.dx`).reverse() : [],
    missing: wanted.map((name) => `blocks.${number}.${name}`).filter((key) => !shown.includes(key)),
    undrawn: maps.filter((name) => !drawn.includes(name)),
    fits: document.documentElement.scrollWidth <= innerWidth,
  };
};

async function checkFirst(page, where) {
  const doc = await page.evaluate(() => JSON.parse(document.getElementById("trace").textContent));
  const [text] = await page.locator(".first").allTextContents();
  if (!doc.first) return assert.equal(text, undefined, `${where}: a first picture without a class`);
  const { label, taken_for, names } = doc.first;
  const [is, seen] = names ?? [`class ${label}`, `class ${taken_for}`];
  const how = label === taken_for ? "rightly taken for it" : `taken for ${seen}`;
  assert.ok(text.startsWith(`first picture: ${is}, ${how} (`), `${where}: ${text}`);
}

function checkNumbers(numbers, where) {
  for (const [key, text, value] of numbers) {
    assert.notEqual(value, undefined, `${where}: the document has no ${key}`);
    if (value === null) assert.equal(text, "–", `${where}: ${key}`);
    else {
      const shown = Number(text.replaceAll("−", "-"));
      assert.ok(
        Math.abs(shown - value) <= 0.0051 * Math.abs(value),
        `${where}: ${key} shows ${text}, the document has ${value}`,
      );
    }
  }
}

async function checkStep(page, where, expected = {}) {
  const seen = await page.evaluate(readPage);
  checkNumbers(seen.numbers, where);
  const { phase, block, rows, wrong, missing, undrawn, fits, layers, inside } = seen;
  assert.deepEqual({ phase, block }, { phase: undefined, block: undefined, ...expected }, `${where}: the wrong step`);
  assert.deepEqual({ wrong, missing, undrawn }, { wrong: [], missing: [], undrawn: [] }, `${where}: not the document`);
  assert.deepEqual(layers, inside, `${where}: the layers inside of the block, in the order of the gradient`);
  for (const [words, key] of rows) {
    const name =
      { arrives: "incoming_norm", leaves: "outgoing_norm" }[words] ??
      (words.startsWith("behind") ? "at_fork_norm" : `terms.${words}.norm`);
    assert.equal(key, `blocks.${block}.${name}`, `${where}: the row of ${words}`);
  }
  assert.ok(fits, `${where}: wider than the window`);
}

// the inside of the branch opens by the keyboard or by a click on its box, and stays as it is from step to step
async function checkInside(page, opened, where) {
  const isOpen = () => page.locator(".layers").isVisible();
  assert.equal(await isOpen(), opened, `${where}: the inside is as it was`);
  if (opened) return true;
  await page.locator(".inside summary").focus();
  await page.keyboard.press("Enter");
  assert.ok(await isOpen(), `${where}: Enter opens the inside`);
  await page.locator(".diagram .open").first().click();
  assert.ok(!(await isOpen()), `${where}: a click on the box closes it`);
  await page.locator(".diagram .open").first().click();
  assert.ok(await isOpen(), `${where}: a click on the box opens it`);
  return true;
}

// every word that can be pointed at is explained within the window: by the keyboard, the mouse and the finger
async function checkWords(page, where) {
  const words = page.locator("[data-word]:visible");
  const meaning = page.locator(".meaning");
  const explains = async (how, word) => {
    const [text, box] = [await meaning.textContent(), await meaning.boundingBox()];
    assert.ok(text.length > 20, `${where}: ${word} is not explained by ${how}`);
    const fits = box.x >= 0 && box.x + box.width <= page.viewportSize().width && box.y >= 0;
    assert.ok(fits, `${where}: what ${word} means lies outside, ${JSON.stringify(box)}`);
  };
  await page.mouse.move(1, 1); // where no word lies, however the page scrolls
  for (const word of await words.all()) {
    const name = await word.getAttribute("data-word");
    await word.focus();
    await explains("the focus", name);
    await page.keyboard.press("Escape");
    assert.ok(await meaning.isHidden(), `${where}: Escape ends it`);
  }
  if (!(await words.count())) return;
  for (const how of (await page.evaluate(() => navigator.maxTouchPoints)) ? ["tap"] : ["hover", "click"]) {
    await words.first()[how]();
    await explains(how, "the first word");
    await page.locator("h1")[how]();
    assert.ok(await meaning.isHidden(), `${where}: it ends with the ${how}`);
  }
}

async function checkMoves(page, n) {
  const step = () => page.locator("main").getAttribute("data-step").then(Number);
  const press = async (key, expected) => {
    await page.keyboard.press(key);
    assert.equal(await step(), expected, `${key} goes to the wrong step`);
  };
  await press("End", 2 * n);
  await press("ArrowRight", 2 * n);
  await press("ArrowLeft", 2 * n - 1);
  await press("Home", 0);
  await press("ArrowLeft", 0);
  await page.getByRole("button", { name: "Next step" }).click();
  assert.equal(await step(), 1);
  await page.getByRole("button", { name: "Previous step" }).click();
  assert.equal(await step(), 0);
  await page.getByRole("slider", { name: "Step", exact: true }).fill(String(n));
  assert.equal(await step(), n);
  assert.match(await page.locator(".title").textContent(), /^loss/);
  await page.locator(`.cell[data-block="${n - 1}"]`).click();
  assert.equal(await step(), n + 1, "after the loss, a block is shown backward");
  await press("ArrowRight", Math.min(n + 2, 2 * n));
  assert.ok(await page.evaluate(() => document.activeElement.matches(".cell.on")), "the focus follows the step");
  await page.getByRole("button", { name: "forward", exact: true }).click();
  assert.equal(await step(), 0);
  await page.locator(`.cell[data-block="${n - 1}"]`).click();
  assert.equal(await step(), n - 1, "forward, a block is shown forward");
  const lengths = page.getByRole("slider", { name: "Path length" });
  for (const k of [0, n]) {
    await lengths.fill(String(k));
    assert.equal(
      await page.locator(`.length-note [data-key="paths.norms.${k}"]`).count(),
      1,
      "the path length is shown",
    );
  }
  const background = () => page.locator("main").evaluate((e) => getComputedStyle(e).backgroundColor);
  const before = await background();
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  assert.notEqual(await background(), before, "the switch changes the colours");
}

async function checkPage(page, file, where, moves) {
  const bad = [];
  page.removeAllListeners();
  page.on("console", (message) => bad.push(message.text()));
  page.on("pageerror", (error) => bad.push(String(error)));
  page.on(
    "request",
    (request) => request.url() !== pathToFileURL(file).href && bad.push(`request of ${request.url()}`),
  );
  page.on("dialog", (dialog) => bad.push(`dialog ${dialog.message()}`));
  await page.goto(pathToFileURL(file).href);
  assert.equal(await page.locator("main.minires").count(), 1, `${where}: nothing was rendered: ${bad}`);
  await checkFirst(page, where);
  const n = await page.evaluate(() => JSON.parse(document.getElementById("trace").textContent).blocks.length);
  if (n === 0) {
    assert.match(await page.locator("h2").textContent(), /no blocks/);
    await checkStep(page, where);
  } else {
    const first = await page.locator("main").getAttribute("data-step");
    assert.equal(Number(first), n + 1, `${where}: it opens on the gradient`);
    await page.keyboard.press("Home");
    await page.locator(".tables summary").click();
    let opened = false;
    for (let step = 0; step <= 2 * n; step += 1) {
      const expected =
        step === n ? {} : step < n ? { phase: "forward", block: step } : { phase: "backward", block: 2 * n - step };
      await checkStep(page, `${where}, step ${step}`, expected);
      if (await page.locator(".inside").count()) opened = await checkInside(page, opened, `${where}, step ${step}`);
      await page.keyboard.press("ArrowRight");
    }
    await page.keyboard.press("End");
    await checkWords(page, where);
    if (moves) await checkMoves(page, n);
  }
  assert.deepEqual(bad, [], `${where}: console, errors or requests`);
}

const browser = await chromium.launch({ executablePath, args: ARGS });
try {
  for (const [width, colorScheme] of [
    [1280, "light"],
    [390, "dark"],
  ]) {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme, hasTouch: width < 400 });
    for (const file of files)
      await checkPage(page, file, `${file}, ${width} pixels, ${colorScheme}`, file === files[0]);
  }
} finally {
  await browser.close();
}
console.log(`${files.length} pages`);
