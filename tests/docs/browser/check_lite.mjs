// Runs a notebook of a built JupyterLite in Chromium to its end. No cell may fail, no request may leave localhost.
// usage: node check_lite.mjs CHROMIUM URL NOTEBOOK PICTURE.png [FUNCTIONS.py]
// The last line that it prints is JSON: the seconds of CPU that the cells took, those of the browser's renderers together.
// FUNCTIONS.py is what a student writes: it takes the place of the functions that raise NotImplementedError.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, url, notebook, picture, functions] = process.argv.slice(2);
const ARGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking";
const LONG = 600_000;

const browser = await chromium.launch({ executablePath, args: ARGS.split(" ") });
const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
const left = [];
page.context().on("request", (request) => {
  if (!/^(http:\/\/(localhost|127\.0\.0\.1)[:/]|data:|blob:)/.test(request.url())) left.push(request.url());
});
const cells = () =>
  page.evaluate(() =>
    globalThis.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
      .filter((cell) => cell.cell_type === "code")
      .map((cell) => ({ source: cell.source, count: cell.execution_count, outputs: cell.getOutputs() })),
  );
const debug = await browser.newBrowserCDPSession();
const cpu = async () =>
  (await debug.send("SystemInfo.getProcessInfo")).processInfo
    .filter(({ type }) => type === "renderer")
    .reduce((sum, { cpuTime }) => sum + cpuTime, 0);
let seconds;
try {
  await page.goto(`${url}/lab/index.html?path=${notebook}`);
  await page.locator(".jp-Notebook .jp-CodeCell").first().waitFor({ timeout: LONG });
  await page.waitForFunction(
    () => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle",
    null, { timeout: LONG },
  );
  if (functions)
    await page.evaluate((text) => {
      const all = globalThis.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
      all.find((cell) => cell.source.includes("raise NotImplementedError")).setSource(text);
    }, readFileSync(functions, "utf8"));
  const before = await cpu();
  await page.evaluate(() => globalThis.jupyterapp.commands.execute("notebook:run-all-cells"));
  seconds = (await cpu()) - before;
  const all = await cells();
  assert.ok(all.length > 1, "there are cells");
  for (const { source, count, outputs } of all) {
    const wrong = outputs.filter(({ output_type }) => output_type === "error");
    assert.deepEqual(wrong.map(({ ename, evalue }) => `${ename}: ${evalue}`), [], `a cell fails:\n${source}`);
    assert.ok(count, `a cell has not run:\n${source}`);
  }
  const printed = all.flatMap(({ outputs }) => outputs.map((out) => [out.text ?? []].flat().join(""))).join("");
  if (functions) assert.match(printed, /(All outputs are right\.\s*)+$/, printed);
  if (notebook.includes("step_through")) {
    const trace = page.locator(".jp-OutputArea main.minires");
    await trace.waitFor({ timeout: LONG });
    const step = () => trace.getAttribute("data-step").then(Number);
    const first = await step();
    await trace.getByRole("button", { name: "Next step" }).click();
    assert.equal(await step(), first + 1, "the widget steps");
  }
  if (notebook.includes("laboratory")) {
    const lab = page.locator(".jp-OutputArea main.minires.lab[data-made='1']");
    await lab.waitFor({ timeout: LONG });
    await lab.locator("[data-try='relu']").click();
    const made = (n) => page.locator(`main.lab[data-made='${n}']`).waitFor({ timeout: LONG });
    const verdict = page.locator("main.lab .verdict[data-side='0']");
    await made(2);
    assert.match(await verdict.textContent(), /between 0 of 45 pairs/, "original breaks the 1");
    await page.locator("main.lab select[data-side='0'][data-field='block']").selectOption("full_preact");
    await made(3);
    assert.match(await verdict.textContent(), /between 12 of 45 pairs/, "full_preact breaks less");
    await page.locator("main.lab [data-do='train']").click();
    await page.waitForFunction(() => Number(document.querySelector("main.lab").dataset.step) >= 5, null, { timeout: LONG });
    await page.locator("main.lab [data-do='train']").click();
    const line = await page.locator("main.lab .loss polyline.a:not(.raw)").getAttribute("points");
    assert.ok(line.split(" ").filter(Boolean).length >= 5, "a point for each step");
    assert.doesNotMatch(await page.locator("main.lab").innerText(), /NaN|undefined|diverged/);
  }
  assert.deepEqual(left, [], "requests that leave localhost");
} finally {
  await page.screenshot({ path: picture });
  await browser.close();
}
console.log(JSON.stringify({ notebook, seconds }));
