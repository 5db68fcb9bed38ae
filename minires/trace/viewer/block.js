// One block in pictures and bars: the terms of its gradient, side by side and added up.

// blue below zero, orange above, as opaque as the value is large: zero shows the ground, in light and dark
const BELOW = [31, 119, 214];
const ABOVE = [230, 105, 10];

function paint(canvas, { shape: [rows, columns], data }) {
  const values = Int8Array.from(atob(data), (c) => c.charCodeAt(0));
  [canvas.width, canvas.height] = [columns, rows];
  canvas.classList.toggle("strip", rows === 1);
  const image = new ImageData(columns, rows);
  values.forEach((v, i) => image.data.set([...(v < 0 ? BELOW : ABOVE), Math.round((255 * Math.abs(v)) / 127)], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const sign = (text) => html`<span class="sign" aria-hidden="true">${text}</span>`;
const withSigns = (items, text) => items.flatMap((item, i) => (i ? [sign(text), item] : [item]));

const picture = (name, symbol, words) => html`<figure class="${name}">
  <canvas data-map="${name}" role="img" aria-label="${symbol}, ${words}"></canvas>
  <figcaption><b>${symbol}</b><small>${words}</small></figcaption>
</figure>`;

function forwardPictures(a, maps) {
  const known = {
    shortcut: [a.one ? "x" : "A(x)", "over the shortcut"],
    branch: ["F(x)", "from the branch"],
    gate: ["t", "from the gate"],
  };
  const ways = Object.keys(maps)
    .filter((name) => !["x", "y", "sum"].includes(name))
    .sort(shortcutFirst)
    .map((name) => picture(name, ...(known[name] ?? [name, "a way"])));
  return html`<div>${picture("x", "x", "comes in")}${sign("→")}</div>
    <div>${withSigns(ways, a.added ? "+" : a.gated ? "," : "‖")}</div>
    <div>
      ${sign(a.added ? "=" : "→")}
      ${a.added && maps.sum && [picture("sum", "sum", "of the two"), sign("→")]}
      ${picture("y", "y", "goes on")}
    </div>`;
}

function backwardPictures(a, maps) {
  const words = { shortcut: "over the shortcut", branch: "through the branch", gate: "through the gate" };
  const terms = a.terms.map((term) => picture(term.name, term.symbol, words[term.name] ?? `through ${term.name}`));
  return html`<div>
      ${picture("incoming", a.behind, "arrives")}${sign("→")}
      ${maps.at_fork && a.post.length > 0 && [picture("at_fork", a.atFork, "at the +"), sign("→")]}
    </div>
    <div>${withSigns(terms, "+")}</div>
    <div>${sign("=")}${picture("outgoing", a.here, "leaves")}</div>`;
}

function pictures(doc, a, phase) {
  if (!a.block.pictures) return "";
  const row = { forward: forwardPictures, backward: backwardPictures }[phase];
  return html`<div class="pictures">${row(a, a.block.pictures[phase].maps)}</div>
    <p class="legend">
      <span>−</span><i></i><span>+</span> first image, mean over the channels; the pictures of a step share one colour
      scale; deepest colour = ${num(doc, `${a.key}.pictures.${phase}.deepest`)}
    </p>`;
}

// norms as bars; they do not add up, the shares do
function bars(doc, a) {
  const rows = [
    { symbol: a.behind, word: "g", words: "arrives", key: `${a.key}.incoming_norm` },
    a.post.length > 0 && { symbol: a.atFork, word: "hat", words: `behind ${listed(a.post)}`, key: `${a.key}.at_fork_norm` },
    ...a.terms.map((t) => ({ ...t, words: t.name, key: `${t.key}.norm`, share: `${t.key}.share` })),
    { symbol: a.here, word: "g", words: "leaves", key: `${a.key}.outgoing_norm` },
  ].filter(Boolean);
  const largest = Math.max(...rows.map(({ key }) => size(doc, key))) || 1;
  return html`<p class="formula">
      |${a.here}| = |${a.terms.map((t) => t.symbol).join(" + ")}| = ${num(doc, `${a.key}.outgoing_norm`)}
    </p>
    <table class="bars">
      <thead>
        <tr><th scope="col">gradient</th><td></td><th scope="col">${word("norm")}</th>
          <th scope="col">${word("share")} of ${a.here}</th></tr>
      </thead>
      <tbody>${rows.map((row) => barRow(doc, row, largest))}</tbody>
    </table>
    ${!a.plain && html`<p class="note">
      Norms do not add up, for the terms have directions; the shares do, to 1. Compared with |${a.behind}|, the shortcut
      brings ${num(doc, `${a.key}.shortcut_scaling`)} and the rest ${num(doc, `${a.key}.residual_ratio`)}.
    </p>`}`;
}

// the layers on the way through the branch, from its output to its input
function inside(doc, a) {
  if (!a.block.inside?.length) return "";
  const ways = a.terms.filter(({ name }) => name !== "shortcut").map(({ name }) => (name === "branch" ? "F" : name));
  const rows = a.block.inside
    .map(({ kind, path }, i) => ({ symbol: kind, words: relative(a.block, path), key: `${a.key}.inside.${i}.dx` }))
    .reverse();
  const largest = Math.max(...rows.map(({ key }) => size(doc, key))) || 1;
  return html`<details class="inside">
    <summary>Inside of ${a.plain ? "the block" : ways.join(", ")}, layer by layer</summary>
    <table class="bars layers">
      <thead><tr><th scope="col">layer</th><td></td><th scope="col">|dx|</th><td></td></tr></thead>
      <tbody>${rows.map((row) => barRow(doc, row, largest))}</tbody>
    </table>
    <p class="note">|dx| is the ${word("norm")} of the gradient that leaves the layer, on its way from the top down.</p>
  </details>`;
}

// "stage3.2.add.branch.conv1" -> "conv1", and "1.gate.0" -> "gate.0"
const relative = ({ path }, layer) =>
  (path && layer.startsWith(`${path}.`) ? layer.slice(path.length + 1) : layer).replace(/^(\w+\.)?branch\./, "");

const barRow = (doc, { symbol, word: name, words, key, share }, largest) => html`<tr class="${share ? words : ""}">
  <th scope="row"><b>${name ? word(name, symbol) : symbol}</b> <small>${words}</small></th>
  <td class="bar">
    <svg width="100%" height="14" aria-hidden="true">
      <rect width="${(100 * size(doc, key)) / largest}%" height="14" rx="2"/>
    </svg>
  </td>
  <td>${num(doc, key)}</td>
  <td>${share && num(doc, share)}</td>
</tr>`;

function reasons({ block }) {
  if (!block.breaks.length) return html`<p class="holds">Nothing stands in the way of the 1 at this block.</p>`;
  const titles = { plain: "Why there is no “1 +” here", Residual: "Why the “1” is not exact here" };
  const title = titles[block.kind] ?? "Why this is no plain “1 +”";
  const item = ({ kind, where, why, path }) => html`<li><b>${kind}</b>, ${where}: ${why}. <code>${path}</code></li>`;
  return html`<div class="broken"><h3>${title}</h3><ul>${block.breaks.map(item)}</ul></div>`;
}

function stepPanel(doc, now) {
  if (now.phase === "loss")
    return html`<p class="turn">
      ${num(doc, "output_gradient_norm")}<small>|g${sub(doc.blocks.length)}|, about to travel back</small>
    </p>`;
  const a = anatomy(doc, now.block);
  if (now.phase === "forward") return html`${diagram(doc, a, false)}${pictures(doc, a, "forward")}`;
  return html`${diagram(doc, a, true)}${pictures(doc, a, "backward")}${bars(doc, a)}${inside(doc, a)}${reasons(a)}`;
}
