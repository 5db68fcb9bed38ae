// The page: what is chosen, what is asked of the lab, and when. It asks for a few steps at a time, so that one can stop.

const PRESETS = {
  plain: { nets: [{ block: "plain", depth: 56 }, { block: "original", depth: 56 }] },
  relu: { nets: [{ block: "original", depth: 20 }, { block: "full_preact", depth: 20 }] },
  half: { nets: [{ block: "full_preact", shortcut: "scale-shortcut", depth: 32 }, { block: "full_preact", depth: 32 }] },
  gate: { nets: [{ block: "full_preact", shortcut: "exclusive-gate", depth: 20 }, { block: "full_preact", depth: 20 }] },
  norm: { nets: [{ block: "original", norm: "none", depth: 56 }, { block: "original", norm: "fixup", depth: 56 }] },
};
const BARE = { block: "original", shortcut: "A", depth: 20, norm: "batch" };
const LONG = 1000; // steps, after which the training pauses
const MILLISECONDS = 600; // what one request should take

function render({ el, facts, ask }) {
  const words = WORDS[facts.language];
  const root = document.createElement("main");
  root.className = "minires lab";
  el.append(root);
  root.innerHTML = asText(frame(facts, words));
  const find = (selector) => root.querySelector(selector);
  const fill = (selector, markup) => (find(selector).innerHTML = asText(markup));

  let wish = null; // what is chosen: { nets, data, lr, seed }
  let built = null; // what the lab has built
  let doc = null; // its last answer
  let losses = [];
  let chosen = 0; // block
  let training = false;
  let count = 1; // steps in a request
  let queue = Promise.resolve(); // one request after the other
  let asking = 0; // of them are not answered yet

  function inTurn(work) {
    root.dataset.asking = ++asking;
    queue = queue
      .then(work)
      .catch((error) => tell(`${words.offline} (${error.message})`))
      .finally(() => (root.dataset.asking = --asking));
  }
  const tell = (text) => {
    if (text) training = false;
    fill(".message", text);
    find(".message").hidden = !text;
    buttons();
  };

  function buttons() {
    const over = !doc || doc.nets.every(({ lost }) => lost !== null);
    find("[data-do='train']").textContent = training ? `■ ${words.stop}` : `▶ ${words.train}`;
    find("[data-do='train']").disabled = find("[data-do='step']").disabled = over;
    root.dataset.training = training;
  }

  function chooseIn(choice) {
    wish = structuredClone(choice);
    for (const select of root.querySelectorAll("[data-side][data-field]")) {
      const net = wish.nets[select.dataset.side];
      select.value = net[select.dataset.field];
      select.disabled = net.block === "plain" && ["shortcut", "norm"].includes(select.dataset.field);
    }
    for (const name of ["data", "lr", "seed"]) find(`[data-setting='${name}']`).value = wish[name];
    for (const button of root.querySelectorAll("[data-try]")) {
      const { nets } = PRESETS[button.dataset.try];
      const same = nets.every((net, i) => FIELDS.every((name) => ({ ...BARE, ...net })[name] === wish.nets[i][name]));
      button.ariaPressed = same;
      if (same) fill(".look", words.try[button.dataset.try][1]);
    }
    find(".look").hidden = !find("[data-try][aria-pressed='true']");
  }

  async function make() {
    const answer = await ask({ do: "make", ...wish });
    if (answer.error) {
      if (built) chooseIn(built);
      return tell(words.refused(answer.error));
    }
    [built, doc, losses] = [structuredClone(wish), answer, []];
    count = 1;
    chosen = Math.min(chosen, most());
    tell("");
    fill(".pictures-of", examples(answer.pictures, words));
    answer.pictures.images.forEach((data, i) => gray(root.querySelectorAll(".pictures-of canvas")[i], answer.pictures, data));
    draw();
    root.dataset.made = Number(root.dataset.made ?? 0) + 1; // for those who wait for it
  }

  async function step(steps) {
    const answer = await ask({ do: "step", steps });
    if (answer.error) return tell(words.refused(answer.error));
    losses.push(...answer.losses);
    doc = { ...answer, pictures: doc.pictures };
    draw();
    if (doc.nets.every(({ lost }) => lost !== null)) tell(words.bothLost);
  }

  async function train() {
    if (!training) return;
    const began = performance.now();
    await step(count);
    const each = (performance.now() - began) / count;
    count = Math.max(1, Math.min(2 * count, 20, Math.round(MILLISECONDS / each)));
    if (training && doc.step >= LONG && doc.step % LONG < count) tell(words.enough(doc.step));
    await new Promise((done) => setTimeout(done, 20)); // the page is drawn, and heard
    if (training) inTurn(train);
  }

  const most = () => Math.max(...doc.nets.map(({ blocks }) => blocks?.length ?? 1)) - 1;

  function draw() {
    root.dataset.step = doc.step;
    fill(".count", html`${num(doc, "step")} ${words.steps}`);
    fill(".by-loss", lossChart(losses, words));
    const fate = (net, side) =>
      net.lost !== null ? words.lostShort(num(doc, `nets.${side}.lost`))
      : net.right !== null && words.right(num(doc, `nets.${side}.right`));
    fill(".right", doc.nets.map((net, side) => fate(net, side) && html`<li class="${SIDES[side]}">
      <b class="badge">${"AB"[side]}</b> ${fate(net, side)}</li>`));
    fill(".along-depth", depthChart(doc.nets, words));
    fill(".ratios", [doc.nets.map((net, side) => net.first_to_last > 0 && html`<li class="${SIDES[side]}">
      <b class="badge">${"AB"[side]}</b> ${words.firstToLast(num(doc, `nets.${side}.first_to_last`))}</li>`),
      doc.compared > 0 && html`<li>${words.compared(num(doc, "compared"))}</li>`]);
    find(".of-gates").hidden = !doc.nets.some(({ blocks }) => blocks?.some(({ terms }) => terms.gate));
    find(".which").max = most();
    find(".which").value = chosen;
    fill(".now", chosen);
    for (const side of [0, 1]) drawSide(side);
    if (find(".tables").open) drawNumbers();
    buttons();
  }

  function drawSide(side) {
    const net = doc.nets[side];
    const at = (name) => `${name}[data-side="${side}"]`;
    const before = find(at(".verdict")).innerHTML;
    const now = asText(verdict(doc, side, words));
    if (before !== now) fill(at(".verdict"), new Markup(now));
    if (!net.blocks) return [".bars-of", ".sum"].forEach((name) => fill(at(name), ""));
    const silent = net.blocks.every(({ before: size }) => !size);
    fill(at(".bars-of"), termsChart(net, Math.min(chosen, net.blocks.length - 1), words));
    fill(at(".sum"), silent ? html`<p class="note">${words.silent}</p>` : sumOf(doc, side, chosen, words));
  }

  const drawNumbers = () => fill(".numbers-of", [0, 1].map((side) => doc.nets[side].blocks && numbersOf(doc, side, words)));

  function look(block) {
    chosen = Number(block);
    if (doc) draw();
  }

  function change(next) {
    training = false;
    chooseIn(next);
    inTurn(make);
  }

  root.addEventListener("change", ({ target }) => {
    const { side, field, setting } = target.dataset;
    if (!field && !setting) return;
    const next = structuredClone(wish);
    const value = target.value !== "" && !Number.isNaN(Number(target.value)) ? Number(target.value) : target.value;
    if (setting) next[setting] = value;
    else next.nets[side][field] = value;
    if (field && next.nets[side].block === "plain") Object.assign(next.nets[side], { shortcut: "A", norm: "batch" });
    change(next);
  });
  root.addEventListener("input", ({ target }) => target.matches(".which") && look(target.value));
  root.addEventListener("click", ({ target }) => {
    if (target.closest(".theme")) return recolor(root);
    const button = target.closest("[data-do], [data-try], [data-block]");
    if (!button) return;
    if (button.dataset.block) return look(button.dataset.block);
    if (button.dataset.try) {
      const nets = PRESETS[button.dataset.try].nets.map((net) => ({ ...BARE, ...net }));
      return change({ ...wish, nets });
    }
    const { do: what } = button.dataset;
    if (what === "again") return change(wish);
    if (what === "train" && !training) {
      tell("");
      training = true;
      inTurn(train);
    } else {
      training = false;
      if (what === "step") inTurn(() => step(1));
    }
    buttons();
  });
  find(".tables").addEventListener("toggle", () => doc && drawNumbers());

  const nets = PRESETS.plain.nets.map((net) => ({ ...BARE, ...net }));
  change({ nets, data: facts.data[0], lr: 0.1, seed: 0 });
  return () => {
    training = false;
    root.remove();
  };
}

const frame = (facts, words) => html`<header>
    <div><h1>${words.title}</h1><p class="facts">${words.about}</p></div>
    <button type="button" class="theme" aria-label="${words.theme}" title="${words.theme}">◐</button>
  </header>
  <section class="idea">
    <p class="equations">
      <span><small>${words.forward}</small><span>y = <b class="shortcut">x</b> + <b class="branch">F(x)</b></span></span>
      <span><small>${words.backward}</small><span>dL/dx = dL/dy · ( ${oneWord} + ${slopeWord} )</span></span>
    </p>
    <p>${words.idea}</p>
  </section>
  <section class="panel tries" aria-label="${words.tries}">
    <div><h2>${words.tries}</h2> ${Object.keys(PRESETS).map((name) => html`<button type="button" data-try="${name}">${words.try[name][0]}</button>`)}</div>
    <p class="look" role="status"></p>
  </section>
  <nav class="controls">
    <button type="button" class="main" data-do="train">▶ ${words.train}</button>
    <button type="button" data-do="step">${words.step}</button>
    <button type="button" data-do="again">${words.again}</button>
    <span class="count" aria-live="off"></span>
  </nav>
  <p class="broken message" role="alert" hidden></p>
  <div class="pair">
    <section class="panel" aria-label="${words.loss}"><h2>${words.loss}</h2><p class="note">${words.lossNote}</p>
      <div class="by-loss"><p class="note">${words.noNumbers}</p></div><ul class="legends right"></ul></section>
    <section class="panel" aria-label="${words.byDepth}"><h2>${words.byDepth}</h2><p class="note">${words.depthNote}</p>
      <div class="along-depth"></div><ul class="legends ratios"></ul></section>
  </div>
  <div class="settings">
    <label>${words.data} <select data-setting="data">${facts.data.map(
      (name) => html`<option value="${name}">${words.names[name]}</option>`)}</select></label>
    <span class="pictures-of"></span>
    <label>${words.lr} <select data-setting="lr">${facts.rates.map(
      (rate) => html`<option value="${rate}">${rate}</option>`)}</select></label>
    <label>${words.seed} <input type="number" data-setting="seed" min="0" max="999999" step="1"></label>
  </div>
  <div class="pair">${[0, 1].map((side) => choiceCard(side, facts, words))}</div>
  <p class="note about-terms">${words.termsNote}<span class="of-gates" hidden>${words.gateNote}</span></p>
  <label class="chooser"><span>${words.chosen} <b class="now"></b></span><input type="range" class="which" min="0" max="0" value="0"></label>
  <div class="pair">${[0, 1].map((side) => insideCard(side, words))}</div>
  <details class="panel tables"><summary>${words.numbers}</summary><div class="numbers-of"></div></details>`;

const examples = ({ images, names }, words) => images.map((_, i) => html`<canvas role="img"
  aria-label="${words.example(words.classes[names[i]] ?? names[i])}" title="${words.classes[names[i]] ?? names[i]}"></canvas>`);

function gray(canvas, { shape: [rows, columns] }, data) {
  [canvas.width, canvas.height] = [columns, rows];
  const image = new ImageData(columns, rows);
  [...atob(data)].forEach((c, i) => image.data.set([...Array(3).fill(c.charCodeAt(0)), 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function recolor(root) {
  const { theme } = root.dataset;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}
