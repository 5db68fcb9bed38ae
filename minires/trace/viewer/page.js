// The component, for the page and for a notebook: render({ model, el }), as anywidget calls it. Everything shown is
// read from model.get("document"), the dict of minires.trace.report.as_dict as JSON.

const stepsOf = (blocks) => [
  ...blocks.map((_, block) => ({ phase: "forward", block })),
  { phase: "loss", block: blocks.length },
  ...blocks.map((_, block) => ({ phase: "backward", block })).reverse(),
];

/** Show the trace inside ``el`` and return a function that removes it; the number of the step is kept in the model. */
function render({ model, el }) {
  const doc = JSON.parse(model.get("document"));
  const steps = stepsOf(doc.blocks);
  const root = document.createElement("main");
  root.className = "minires";
  el.append(root);
  const find = (selector) => root.querySelector(selector);
  const fill = (selector, markup) => (find(selector).innerHTML = asText(markup));
  if (steps.length === 1) {
    root.innerHTML = asText([head(doc), empty(doc)]);
    find(".theme").addEventListener("click", () => recolor(root));
    return () => root.remove();
  }
  let at = 0;
  let opened = false; // the inside of the branch

  function draw() {
    const now = steps[at];
    root.dataset.step = at;
    find(".steps").value = at;
    find(".steps").setAttribute("aria-valuetext", now.phase === "loss" ? "loss" : `${now.phase}, block ${now.block}`);
    root.querySelectorAll("[data-phase]").forEach((b) => (b.ariaPressed = b.dataset.phase === now.phase));
    const focused = root.contains(document.activeElement) && document.activeElement;
    fill(".chain", chain(doc, now));
    fill(".title", title(doc, now));
    fill(".say", say(doc, now));
    opened = find(".inside")?.open ?? opened;
    fill(".shown", stepPanel(doc, now));
    if (find(".inside")) find(".inside").open = opened;
    const maps = doc.blocks[now.block]?.pictures?.[now.phase].maps;
    root.querySelectorAll("canvas").forEach((canvas) => paint(canvas, maps[canvas.dataset.map]));
    fill(".along", gradientChart(doc, now));
    fill(".along-note", gradientReadout(doc, now));
    hideMeaning();
    if (focused && !focused.isConnected) find(".cell[tabindex='0']").focus();
  }
  function go(step) {
    at = Math.max(0, Math.min(steps.length - 1, step));
    draw();
    model.set("step", at);
    model.save_changes?.();
  }
  const goTo = (phase, block) =>
    go(steps.findIndex((step) => step.phase === phase && (block === undefined || step.block === Number(block))));
  const wayNow = () => (steps[at].phase === "forward" ? "forward" : "backward");
  function showLength(k) {
    if (doc.plain) return; // one path
    find(".lengths").value = k;
    fill(".by-length", pathChart(doc, k));
    fill(".length-note", pathReadout(doc, k));
  }
  function clicked({ target }) {
    if (target.closest(".theme")) return recolor(root);
    if (target.closest(".open")) find(".inside")?.toggleAttribute("open");
    const { dataset = {} } = target.closest("[data-go], [data-phase], [data-length], [data-block]") ?? {};
    if (dataset.go) go(at + Number(dataset.go));
    else if (dataset.phase) goTo(dataset.phase);
    else if (dataset.length) showLength(Number(dataset.length));
    else if (dataset.block) goTo(dataset.way ?? wayNow(), dataset.block);
  }
  function pressed(event) {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
    const other = event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, .scroll");
    if (to === undefined || other) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    go(to);
  }
  const moved = () => model.get("step") !== at && go(model.get("step"));

  root.innerHTML = asText(frame(doc, steps.length - 1));
  const hideMeaning = showMeanings(root);
  root.addEventListener("click", clicked);
  root.addEventListener("input", ({ target }) => (target.matches(".lengths") ? showLength : go)(Number(target.value)));
  el.addEventListener("keydown", pressed);
  model.on?.("change:step", moved);
  showLength(0);
  go(model.get("step") ?? doc.blocks.length + 1); // on the gradient, at the last block
  return () => {
    el.removeEventListener("keydown", pressed);
    model.off?.("change:step", moved);
    root.remove();
  };
}

// Explain the word that is pointed at, has the focus or was tapped; returns a function that ends that.
function showMeanings(root) {
  const note = root.querySelector(".meaning");
  let hovered = false; // what the pointer brings goes with it; the page may scroll below the pointer
  const hide = () => (note.textContent = "");
  function show({ type, target }) {
    const of = target.closest("[data-word]");
    if (!of && (hovered || type !== "pointerover") && !target.closest(".meaning")) hide();
    if (!of) return;
    hovered = type === "pointerover";
    note.textContent = MEANINGS[of.dataset.word];
    const [there, all] = [of.getBoundingClientRect(), root.getBoundingClientRect()];
    const below = there.bottom + note.offsetHeight < innerHeight;
    note.style.left = `${Math.max(8, Math.min(there.left - all.left, all.width - note.offsetWidth - 8))}px`;
    note.style.top = `${(below ? there.bottom : there.top - note.offsetHeight) - all.top}px`;
  }
  ["pointerover", "focusin", "click"].forEach((event) => root.addEventListener(event, show));
  root.addEventListener("focusout", hide);
  root.addEventListener("pointerleave", () => hovered && hide());
  root.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  return hide;
}

function recolor(root) {
  const { theme } = root.dataset;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

export default { render };
