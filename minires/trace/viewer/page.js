// The page of a trace, or the widget of a notebook: render({ model, el }), as anywidget calls it. Everything shown is read
// from model.get("document"), the dict of minires.trace.report.as_dict.

const head = (doc) => html`<header><div><h1>How the gradient travels through <em>${doc.model}</em></h1>
  <p class="facts">input ${doc.shape.join(" × ")}, ${doc.dtype}, ${doc.train ? "training" : "inference"} forward</p></div>
  <button type="button" class="theme" aria-label="Switch between light and dark" title="light or dark">◐</button></header>`;

const idea = (doc) => html`<section class="idea" aria-label="The idea">
  <p class="equations"><span><small>forward</small><span>y = <b class="shortcut">x</b> + <b class="branch">F(x)</b></span></span>
  <span><small>backward</small><span>dL/dx = dL/dy · ( <b class="shortcut">1</b> + <b class="branch">dF/dx</b> )</span></span></p>
  <p>A residual block adds something, F(x), to what it gets. So the gradient has two ways back: through
  <b class="branch">the branch</b>, where every layer changes it, and over <b class="shortcut">the shortcut</b>, where it
  arrives as it is. ${
    doc.identity_holds
      ? "In this network every shortcut is exactly the identity: nothing is lost on it."
      : "In this network something stands in the way of that 1 wherever the shortcut is dashed; the block says what."
  } ${
    doc.blocks.some((block) => block.kind !== "Residual") &&
    "Not every fork of this network is such a sum; each block says what it is instead."
  } Go through it step by step with <kbd>←</kbd> <kbd>→</kbd>, or click on a block.</p></section>`;

const controls = (last) => html`<nav class="controls" aria-label="Steps">
  <div class="phases" role="group" aria-label="Phase">
    ${["forward", "loss", "backward"].map((p) => html`<button type="button" data-phase="${p}">${p}</button>`)}</div>
  <button type="button" class="go" data-go="-1" aria-label="Previous step">◀</button>
  <input type="range" class="steps" min="0" max="${last}" value="0" aria-label="Step">
  <button type="button" class="go" data-go="1" aria-label="Next step">▶</button></nav>`;

const COLUMNS = ["outgoing_norm", "cosine", "shortcut_scaling", "residual_ratio", "identity_norm", "identity_ratio"];
const AT_FIRST = ["local_norm", "total_norm", "closure_error"];

function tables(doc) {
  const terms = [...new Set(doc.blocks.flatMap((b) => Object.keys(b.terms)))].flatMap((t) => [`terms.${t}.norm`, `terms.${t}.share`]);
  const columns = ["incoming_norm", "at_fork_norm", ...terms, ...COLUMNS, ...AT_FIRST];
  const title = (column) => column.replace("terms.", "").replaceAll(/[._]/g, " ");
  const row = (head, keys) => html`<tr><th scope="row">${head}</th>${keys.map((key) => html`<td>${num(doc, key)}</td>`)}</tr>`;
  const table = (caption, heads, rows) => html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table><caption>${caption}</caption><thead><tr>${heads.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
  return html`<details><summary>All numbers</summary>
    ${table("Blocks", ["block", ...columns.map(title)], doc.blocks.map((b, l) => row(html`${l} <small>${b.path}</small>`, columns.map((c) => `blocks.${l}.${c}`))))}
    ${table("Paths", ["length", "paths", "norm", "part of g₀"], doc.paths.lengths.map((k) => row(k, ["counts", "norms", "projections"].map((c) => `paths.${c}.${k}`))))}
    </details><p class="note">How exact: the terms of every fork add up to its gradient, and are derivatives of its forward, within
    ${num(doc, "closure_error")}; the telescoped sums give the gradient within ${num(doc, "telescope_error")}, the path lengths within
    ${num(doc, "path_error")} (relative).</p>`;
}

const plain = (doc) => html`<section class="panel plain"><h2>This network has no shortcut</h2>
  <p class="equations"><span><small>forward</small><span>y = <b class="branch">F(x)</b></span></span>
  <span><small>backward</small><span>dL/dx = dL/dy · <b class="branch">dF/dx</b></span></span></p><p>Its forward has no “x +”, so its gradient has no “1 +”. Whatever reaches the first layers has gone through every layer behind
  them, each of which changes it: there is one single way back, and nothing to take apart.
  ${doc.loss !== null && html`The loss of this batch is ${num(doc, "loss")}.`}</p>
  <p>To see the difference, trace the residual network of the same depth.</p></section>`;

const stepsOf = (blocks) => [
  ...blocks.map((_, block) => ({ phase: "forward", block })),
  { phase: "loss", block: blocks.length },
  ...blocks.map((_, block) => ({ phase: "backward", block })).reverse(),
];

/** Show the trace inside ``el`` and return a function that removes it; the number of the step is kept in the model. */
function render({ model, el }) {
  const doc = model.get("document");
  const steps = stepsOf(doc.blocks);
  const root = document.createElement("main");
  const find = (selector) => root.querySelector(selector);
  const fill = (selector, markup) => (find(selector).innerHTML = asText(markup));
  let at = 0;

  function draw() {
    const now = steps[at];
    const a = now.phase === "loss" ? null : anatomy(doc, now.block);
    root.dataset.step = at;
    find(".steps").value = at;
    find(".steps").setAttribute("aria-valuetext", a ? `${now.phase}, block ${now.block}` : now.phase);
    root.querySelectorAll("[data-phase]").forEach((button) => (button.ariaPressed = button.dataset.phase === now.phase));
    const focused = document.activeElement?.matches(".cell") && root.contains(document.activeElement);
    fill(".chain", chain(doc, now));
    if (focused) find(".cell[tabindex='0']").focus();
    fill(".title", a ? html`${now.phase} <span>through block ${now.block}</span> (<code>${a.block.path}</code>)` : html`loss <span>and back</span>`);
    fill(".say", !a ? sayLoss(doc, doc.blocks.length) : now.phase === "forward" ? sayForward(a) : sayBackward(doc, a));
    fill(".shown", stepPanel(doc, now));
    root.querySelectorAll("canvas").forEach((canvas) => paint(canvas, a.block.pictures[now.phase].maps[canvas.dataset.map]));
    fill(".along", gradientChart(doc, now));
    fill(".along-note", gradientReadout(doc, now));
  }
  function go(step) {
    at = Math.max(0, Math.min(steps.length - 1, step));
    draw();
    model.set("step", at);
    model.save_changes?.();
  }
  function showLength(k) {
    find(".lengths").value = k;
    fill(".by-length", pathChart(doc, k));
    fill(".length-note", pathReadout(doc, k));
  }
  function clicked({ target }) {
    const { go: move, phase, length, block, way } = target.closest("[data-go], [data-phase], [data-length], [data-block]")?.dataset ?? {};
    const wanted = phase ?? way ?? (steps[at].phase === "forward" ? "forward" : "backward");
    if (length) showLength(Number(length));
    else if (move) go(at + Number(move));
    else if (block || phase) go(steps.findIndex((step) => step.phase === wanted && (phase || step.block === Number(block))));
  }
  function pressed(event) {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, .scroll")) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    go(to);
  }
  const moved = () => model.get("step") !== at && go(model.get("step"));
  function recolor() {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  }

  root.className = "minires";
  root.innerHTML = asText(
    html`${head(doc)}${
      steps.length === 1
        ? plain(doc)
        : html`${idea(doc)}${controls(steps.length - 1)}<div class="chain" role="group" aria-label="Blocks of the network"></div>
          <div class="columns"><section class="panel"><h2 class="title"></h2><p class="say" aria-live="polite"></p><div class="shown"></div></section>
          <aside>${charts(doc)}</aside></div><section class="panel tables">${tables(doc)}</section>`
    }`,
  );
  el.append(root);
  find(".theme").addEventListener("click", recolor);
  if (steps.length === 1) return () => root.remove();
  root.addEventListener("click", clicked);
  root.addEventListener("input", ({ target }) => (target.matches(".lengths") ? showLength : go)(Number(target.value)));
  el.addEventListener("keydown", pressed);
  model.on?.("change:step", moved);
  showLength(0);
  go(model.get("step") ?? 0);
  return () => {
    el.removeEventListener("keydown", pressed);
    model.off?.("change:step", moved);
    root.remove();
  };
}

export default { render };
