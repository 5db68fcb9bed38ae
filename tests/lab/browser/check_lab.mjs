// Uses the page of minires lab in Chromium as a reader would.
// usage: node check_lab.mjs CHROMIUM URL URL_ZH    (playwright-core beside this file or on NODE_PATH)
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, url, chinese] = process.argv.slice(2);
const ARGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking";
const browser = await chromium.launch({ executablePath, args: ARGS.split(" ") });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
context.setDefaultTimeout(240000) // of a machine that has other things to do;

async function open(address) {
  const page = await context.newPage();
  page.seen = { errors: [], strangers: [], doc: null };
  page.on("pageerror", (error) => page.seen.errors.push(String(error)));
  page.on("console", (said) => said.type() === "error" && page.seen.errors.push(said.text()));
  page.on("request", (request) => new URL(request.url()).origin === new URL(address).origin || page.seen.strangers.push(request.url()));
  page.on("response", async (response) => {
    if (response.url().endsWith("/ask")) page.seen.doc = await response.json().catch(() => page.seen.doc);
  });
  await page.goto(address);
  await page.locator("main[data-made='1']").waitFor();
  return page;
}
const button = (page, name) => page.locator(`[data-do="${name}"]`);
const stepOf = (page) => page.locator("main").getAttribute("data-step").then(Number);
const select = (page, side, field) => page.locator(`select[data-side="${side}"][data-field="${field}"]`);
const text = (page, key) => page.locator(`[data-key="${key}"]`).first().textContent();
const number = async (page, key) => Number((await text(page, key)).replaceAll("−", "-"));
const line = (page, side) => page.locator(`.loss polyline.${side}:not(.raw)`).getAttribute("points").then((p) => p.split(" ").filter(Boolean));
const fits = async (page, where) =>
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where}: wider than the window`);

// every number on the page is one of the last answer
async function checkNumbers(page, where) {
  const { doc } = page.seen;
  const shown = await page.locator("[data-key]").evaluateAll((all) => all.map((e) => [e.dataset.key, e.textContent]));
  assert.ok(shown.length > 10, `${where}: ${shown.length} numbers`);
  for (const [key, words] of shown) {
    const value = key.split(".").reduce((found, name) => found?.[name], doc);
    assert.notEqual(value, undefined, `${where}: the answer has no ${key}`);
    const right = value === null ? words === "–" : Math.abs(Number(words.replaceAll("−", "-")) - value) <= 0.0051 * Math.abs(value);
    assert.ok(right, `${where}: ${key} shows ${words}, the answer has ${value}`);
  }
}

async function made(page, change) {
  const before = await page.locator("main").getAttribute("data-made");
  await change();
  await page.locator(`main[data-made="${Number(before) + 1}"]`).waitFor();
}

async function trainTo(page, steps) {
  await button(page, "train").click();
  await page.waitForFunction((n) => Number(document.querySelector("main").dataset.step) >= n, steps);
  await button(page, "train").click();
  await page.locator("main[data-training='false']").waitFor();
  await page.waitForFunction(() => document.querySelector('main').dataset.asking === '0');
  const at = await stepOf(page);
  await page.waitForTimeout(1000);
  assert.equal(await stepOf(page), at, "it goes on after Stop");
  return at;
}

try {
  const page = await open(url);

  // plain against residual
  assert.equal(await page.locator("[data-try='plain']").getAttribute("aria-pressed"), "true", "it opens on the first example");
  const [plain, residual] = [await number(page, "nets.0.first_to_last"), await number(page, "nets.1.first_to_last")];
  assert.ok(plain > 300 && residual < 30, `first to last: plain ${plain}, residual ${residual}`);
  const compared = await number(page, "compared");
  assert.ok(Math.abs(compared - plain / residual) < 0.02 * compared, "the ratio of the two");
  assert.equal(await page.locator(".bars-of[data-side='0'] rect.shortcut").count(), 0, "a plain network has no violet");
  assert.equal(await page.locator(".bars-of[data-side='1'] rect.shortcut").count(), 27, "27 blocks have");
  assert.ok(await select(page, 0, "shortcut").isDisabled(), "a plain network has no shortcut to choose");
  await checkNumbers(page, "at first");

  // the audit's verdict
  await made(page, () => page.locator("[data-try='relu']").click());
  const verdict = page.locator(".verdict[data-side='0']");
  assert.match(await verdict.textContent(), /between 0 of 45 pairs.*ReLU behind the addition, in every block/s);
  await made(page, () => select(page, 0, "block").selectOption("full_preact"));
  assert.match(await verdict.textContent(), /between 12 of 45 pairs/);
  assert.doesNotMatch(await verdict.textContent(), /ReLU/);
  assert.match(await verdict.textContent(), /Subsample on the shortcut, in blocks 3, 6/);
  await made(page, () => select(page, 0, "block").selectOption("original"));

  // training: 20 steps, stop, one step, start over
  const [lossChart, depthChart] = [await page.locator(".by-loss").innerHTML(), await page.locator(".along-depth").innerHTML()];
  const sum = await page.locator(".sum[data-side='1']").textContent();
  const at = await trainTo(page, 20);
  for (const side of ["a", "b"]) {
    const heights = (await line(page, side)).map((p) => Number(p.split(",")[1]));
    assert.equal(heights.length, at, `${side}: a point for each step`);
    assert.ok(heights.at(-1) > heights[0] + 5, `${side}: the loss has fallen (${heights[0]} to ${heights.at(-1)} from the top)`);
  }
  assert.notEqual(await page.locator(".by-loss").innerHTML(), lossChart);
  assert.notEqual(await page.locator(".along-depth").innerHTML(), depthChart);
  assert.notEqual(await page.locator(".sum[data-side='1']").textContent(), sum, "the formula has the present numbers");
  await checkNumbers(page, "after training");
  await button(page, "step").click();
  await page.waitForFunction((n) => Number(document.querySelector("main").dataset.step) === n + 1, at);
  await page.locator(".tables summary").click();
  await checkNumbers(page, "with the tables open");
  await page.locator(".tables summary").click();

  // by keyboard: train, stop, another block
  await button(page, "train").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction((n) => Number(document.querySelector("main").dataset.step) > n + 1, at);
  await page.keyboard.press("Space");
  await page.locator("main[data-training='false']").waitFor();
  await page.locator(".which").focus();
  await page.keyboard.press("ArrowRight");
  assert.match(await page.locator(".sum[data-side='1'] .equation").textContent(), /^dL\/dx₁ = dL\/dx₂/);
  await page.locator(".bars-of[data-side='0'] [data-block='5']").click();
  assert.match(await page.locator(".sum[data-side='1'] .equation").textContent(), /^dL\/dx₅ = dL\/dx₆ · \(\s+1 \+ dF\/dx \)/);

  // two pages at once
  const other = await open(url);
  await made(other, () => other.locator("[data-try='gate']").click());
  assert.equal(await other.locator(".bars-of[data-side='0'] rect.gate").count(), 7, "a gate has a third term");
  assert.ok(await other.locator(".of-gates").isVisible() && !(await page.locator(".of-gates").isVisible()), "said where one is");
  const before = await stepOf(page);
  await Promise.all([button(page, "train").click(), button(other, "train").click()]);
  await other.waitForFunction(() => Number(document.querySelector("main").dataset.step) >= 3);
  await page.waitForFunction((n) => Number(document.querySelector("main").dataset.step) >= n + 3, before);
  await Promise.all([button(page, "train").click(), button(other, "train").click()]);
  assert.notEqual(await text(page, "nets.0.parameters").catch(() => ""), await text(other, "nets.0.parameters").catch(() => null));
  await other.close();

  // a choice that the models refuse: said, and the page stays as it was
  await made(page, () => page.locator("[data-try='gate']").click());
  await select(page, 0, "norm").selectOption("skipinit");
  await page.locator(".message:not([hidden])").waitFor();
  assert.match(await page.locator(".message").textContent(), /gates do not add the branch/);
  assert.equal(await select(page, 0, "norm").inputValue(), "batch");
  await page.locator("[data-setting='seed']").fill("-3");
  await page.locator("[data-setting='seed']").press("Enter");
  await page.getByText("expected an integer from 0").waitFor();

  // one that diverges says so, and the training ends when both have
  await made(page, () => page.locator("[data-try='norm']").click());
  await button(page, "step").click();
  await page.waitForFunction(() => document.querySelector("main").dataset.step === "1");
  assert.match(await page.locator(".verdict[data-side='1']").textContent(), /happen to change nothing/, "branches near 0 mask nothing");
  assert.doesNotMatch(await page.locator(".verdict[data-side='0']").textContent(), /happen to change nothing/);
  await made(page, () => select(page, 1, "norm").selectOption("none"));
  await button(page, "train").click();
  await page.locator(".message:not([hidden])").waitFor();
  assert.match(await page.locator(".message").textContent(), /Both networks have diverged/);
  assert.match(await verdict.textContent(), /It has diverged: at step \d+ .*NaN/s);
  assert.ok(await button(page, "train").isDisabled());
  assert.ok(!/NaN|Infinity|undefined|null/.test((await page.locator("svg.chart").allInnerTexts()).join()), "charts hold numbers");
  await made(page, () => button(page, "again").click());
  assert.ok(await button(page, "train").isEnabled(), "it starts over");

  // light and dark, narrow and wide
  const ground = () => page.locator("main").evaluate((e) => getComputedStyle(e).backgroundColor);
  const light = await ground();
  await page.locator(".theme").click();
  assert.notEqual(await ground(), light);
  for (const width of [1280, 700, 390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await page.locator(".tables").evaluate((e) => (e.open = true));
    await fits(page, `${width} pixels`);
  }

  // without the server
  await context.setOffline(true);
  await button(page, "step").click();
  await page.getByText("minires lab has ended").waitFor();
  await context.setOffline(false);

  // in Chinese
  const zh = await open(chinese);
  assert.equal(await zh.locator("html").getAttribute("lang"), "zh");
  const left = (await zh.locator("main").innerText()).match(/\b[a-z]{3,}(?:[ ,]+[a-z]{2,})+\b/g) ?? [];
  assert.deepEqual(left, [], "words that are not Chinese");
  await fits(zh, "Chinese");

  for (const { seen } of [page, zh]) {
    const errors = seen.errors.filter((words) => !words.includes("ERR_INTERNET_DISCONNECTED"));
    assert.deepEqual([errors, seen.strangers], [[], []], "errors of the page, requests to others");
  }
} finally {
  await browser.close();
}
console.log("the lab is as it should be");
