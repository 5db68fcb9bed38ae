// What is said of one network: the choice, the verdict, and the sum at the block that is looked at.

const FIELDS = ["block", "shortcut", "depth", "norm"];

function choiceCard(side, facts, words) {
  const shown = { block: words.blocks, shortcut: words.shortcuts, norm: words.norms };
  const field = (name) => html`<label><span>${words[name]}</span>
    <select data-side="${side}" data-field="${name}">${facts.choices[name].map(
      (value) => html`<option value="${value}">${shown[name]?.[value] ?? value}</option>`)}</select></label>`;
  return html`<section class="panel card ${SIDES[side]}" aria-label="${words.network} ${"AB"[side]}">
    <h2><b class="badge">${"AB"[side]}</b> ${words.network} ${"AB"[side]}</h2>
    <div class="fields">${FIELDS.map(field)}</div>
    <div class="verdict" data-side="${side}" aria-live="polite"></div>
  </section>`;
}

function verdict(doc, side, words) {
  const key = `nets.${side}`;
  const { audit, lost, blocks } = doc.nets[side];
  const alert = lost !== null && html`<p class="broken lost">${words.lost(num(doc, `${key}.lost`))}</p>`;
  if (!audit) return alert;
  const bare = audit.breaks.some(({ place }) => place === "block");
  const places = audit.breaks.filter(({ place }) => place !== "block").map(({ kind, place, blocks: at }) => html`<li>
    <code>${kind}</code> ${words.places[place]}${words.comma}${at.length === blocks.length ? words.inAll : words.inBlocks(at)}</li>`);
  const part = (100 * audit.good) / audit.pairs;
  const broken = new Set(audit.breaks.flatMap(({ blocks: at }) => at));
  let [clean, run] = [0, 0]; // pairs between which nothing stands
  blocks.forEach((_, l) => (clean += run = broken.has(l) ? 0 : run + 1));
  return html`${alert}<p><span>${words.verdict}</span>
      <b class="answer ${audit.good ? "some" : "none"}">${words.pairs(
        num(doc, `${key}.audit.good`), num(doc, `${key}.audit.pairs`))}</b></p>
    <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100"
      height="4"/><rect class="part" width="${part.toFixed(1)}" height="4"/></svg>
    ${bare ? html`<p>${words.noShortcut}</p>` : places.length ? html`<ul>${places}</ul>` : html`<p>${words.nothingBreaks}</p>`}
    ${audit.good > clean && html`<p>${words.byChance}</p>`}
    ${!bare && html`<p>${words.alone(num(doc, `${key}.audit.alone`))}</p>`}`;
}

const insideCard = (side, words) => html`<section class="panel inside-card ${SIDES[side]}"
    aria-label="${words.terms}, ${"AB"[side]}">
  <h2><b class="badge">${"AB"[side]}</b> ${words.terms}</h2>
  <div class="bars-of" data-side="${side}"></div>
  <div class="sum" data-side="${side}"></div>
</section>`;

const column = (symbol, value, words, name = "") =>
  html`<span class="term ${name}"><b>${symbol}</b>${value}<small>${words}</small></span>`;
const between = (text) => html`<span class="sign">${text}</span>`;

// |g_l| = | 1·g_{l+1} + r_l |, with the numbers of the network as it is now
function sumOf(doc, side, chosen, words) {
  const net = doc.nets[side];
  const l = Math.min(chosen, net.blocks.length - 1);
  const block = net.blocks[l];
  const key = `nets.${side}.blocks.${l}`;
  const breaks = net.audit.breaks.filter(({ blocks }) => blocks.includes(l));
  const post = breaks.filter(({ place }) => place === "post").map(({ kind }) => kind);
  const own = breaks.some(({ place }) => ["shortcut", "pre"].includes(place));
  const [here, behind] = [`g${sub(l)}`, `g${sub(l + 1)}`];
  const atFork = post.length ? `ĝ${sub(l + 1)}` : behind;
  const whole = column(`|${here}|`, num(doc, `${key}.before`), words.whole);
  const start = column(`|${behind}|`, num(doc, `${key}.behind`), words.behind);
  if (!block.terms.shortcut)
    return html`<p class="equation">dL/dx${sub(l)} = dL/dx${sub(l + 1)} · ${slopeWord}</p>
      <p class="numbers">${start}${between("→")}${whole}</p><p class="note">${words.plainFormula}</p>`;
  const gated = Boolean(block.terms.gate);
  const one = own ? html`<b class="shortcut">A</b>` : gated ? html`<b class="shortcut">(1−t)</b>` : oneWord;
  const symbol = own ? `A${sub(l)}ᵀ${atFork}` : gated ? `(1−t)·${atFork}` : `1·${atFork}`;
  const masked = post.length > 0 && column(`|${atFork}|`, num(doc, `${key}.at_fork`), words.atFork(post.join(", ")));
  return html`<p class="equation">dL/dx${sub(l)} = dL/dx${sub(l + 1)} · ${post.length > 0 && `${post.join("·")}′ · `}(
      ${one} + ${slopeWord}${gated && html` + <b class="gate">dt</b>`} )</p>
    <p class="numbers">${start}${masked && [between("→"), masked]}${between("→")}
      <span class="nowrap">${column(symbol, num(doc, `${key}.terms.shortcut.norm`), words.overShortcut, "shortcut")}${
        between("+")}${column(`r${sub(l)}`, num(doc, `${key}.terms.branch.norm`), words.throughBranch, "branch")}${
        gated && [between("+"), column(`c${sub(l)}`, num(doc, `${key}.terms.gate.norm`), words.throughGate, "gate")]}</span>
      <span class="nowrap">${between("=")}${whole}</span></p>
    <p class="note">${block.cosine !== null && words.angle(num(doc, `${key}.cosine`))}</p>`;
}

function numbersOf(doc, side, words) {
  const net = doc.nets[side];
  const key = `nets.${side}`;
  const terms = [...new Set(net.blocks.flatMap((block) => Object.keys(block.terms)))];
  const columns = ["behind", "at_fork", "before", ...terms.flatMap((t) => [`terms.${t}.norm`, `terms.${t}.share`]), "cosine"];
  const rows = (keys, names) => html`<tbody>${names.map((name, i) => html`<tr><th scope="row">${name}</th>${
    keys(i).map((k) => html`<td>${num(doc, k)}</td>`)}</tr>`)}</tbody>`;
  const head = (names) => html`<thead><tr>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>`;
  return html`<p><b class="badge ${SIDES[side]}">${"AB"[side]}</b> ${words.parameters(num(doc, `${key}.parameters`))},
      ${words.python}: <code>${net.command}</code></p>
    <div class="scroll" tabindex="0" role="region" aria-label="${words.terms}, ${"AB"[side]}"><table>
      ${head([words.block, ...columns.map((c) => c.replace("terms.", "").replaceAll(/[._]/g, " "))])}
      ${rows((i) => columns.map((c) => `${key}.blocks.${i}.${c}`), net.blocks.map(({ path }) => path))}</table></div>
    <div class="scroll" tabindex="0" role="region" aria-label="${words.byDepth}, ${"AB"[side]}"><table>
      ${head([words.layer, "|dW|"])}
      ${rows((i) => [`${key}.depth.${i}.dw`], net.depth.map(({ path }) => path))}</table></div>`;
}
