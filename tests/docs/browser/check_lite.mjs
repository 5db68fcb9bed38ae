// Runs a notebook of a built JupyterLite in Chromium to its end. No cell may fail, no request may leave localhost.
// usage: node check_lite.mjs CHROMIUM URL NOTEBOOK PICTURE.png [FUNCTIONS.py]
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
  await page.evaluate(() => globalThis.jupyterapp.commands.execute("notebook:run-all-cells"));
  const all = await cells();
  assert.ok(all.length > 1, "there are cells");
  for (const { source, count, outputs } of all) {
    const wrong = outputs.filter(({ output_type }) => output_type === "error");
    assert.deepEqual(wrong.map(({ ename, evalue }) => `${ename}: ${evalue}`), [], `a cell fails:\n${source}`);
    assert.ok(count, `a cell has not run:\n${source}`);
  }
  const printed = all.flatMap(({ outputs }) => outputs.map((out) => [out.text ?? []].flat().join(""))).join("");
  if (functions) assert.match(printed, /All outputs are right/, printed);
  if (notebook.includes("step_through")) {
    const trace = page.locator(".jp-OutputArea main.minires");
    await trace.waitFor({ timeout: LONG });
    const step = () => trace.getAttribute("data-step").then(Number);
    const first = await step();
    await trace.getByRole("button", { name: "Next step" }).click();
    assert.equal(await step(), first + 1, "the widget steps");
  }
  assert.deepEqual(left, [], "requests that leave localhost");
} finally {
  await page.screenshot({ path: picture });
  await browser.close();
}
console.log("ran to its end");
