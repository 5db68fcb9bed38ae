// Opens a notebook in a running JupyterLab in Chromium, runs its cells and checks the widget of the trace in it.
// usage: node check_notebook.mjs CHROMIUM URL PICTURE.png    (playwright-core beside this file or on NODE_PATH)
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, url, picture] = process.argv.slice(2);
const ARGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking";

const browser = await chromium.launch({ executablePath, args: ARGS.split(" ") });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  await page.locator(".jp-Notebook .jp-CodeCell").first().waitFor({ timeout: 60000 });
  await page.getByText("Python 3 (ipykernel) | Idle").waitFor({ timeout: 60000 });
  await page.getByText("Run", { exact: true }).first().click();
  await page.getByText("Run All Cells", { exact: true }).click();
  const trace = page.locator(".jp-OutputArea main.minires");
  await trace.waitFor({ timeout: 30000 }).catch(async (error) => {
    await page.screenshot({ path: picture });
    throw new Error(`${await page.locator(".jp-OutputArea").allTextContents()}, ${errors}`, { cause: error });
  });
  assert.equal(await trace.locator("h1 em").textContent(), "mine", "the title names the model");
  const painted = await trace.locator("canvas").evaluateAll((all) =>
    all.filter((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)).length);
  assert.ok(painted >= 4, `${painted} pictures are painted`);
  const step = () => trace.getAttribute("data-step").then(Number);
  const first = await step();
  assert.match(await trace.locator(".title").textContent(), /^backward through block 2/, "it opens on the gradient");
  await trace.getByRole("button", { name: "Next step" }).click();
  assert.equal(await step(), first + 1, "the button goes on");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await step(), first, "the arrow goes back, and not to another cell");
  await trace.locator("[data-word]").first().hover();
  assert.ok(await trace.locator(".meaning").isVisible(), "words are explained");
  await trace.locator("h1").scrollIntoViewIfNeeded();
  await page.screenshot({ path: picture });
  assert.deepEqual(errors, [], "errors of the page");
} finally {
  await browser.close();
}
console.log("the widget is there");
