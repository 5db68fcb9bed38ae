// One step: the chain of blocks with the present one marked, and that block as roads, as pictures and as bars.

// the shortcut is a straight road, the branch of each block a box below it
function chain(doc, now) {
  const crowded = doc.blocks.length > 30;
  const state = (l) => {
    if (l === now.block) return "on";
    return (now.phase === "forward" && l < now.block) || (now.phase === "backward" && l > now.block) ? "passed" : "";
  };
  const cell = (block, l) => html`<button type="button" class="cell ${state(l)}" data-block="${l}"
    tabindex="${l === Math.min(now.block, doc.blocks.length - 1) ? 0 : -1}" aria-current="${l === now.block ? "step" : "false"}"
    aria-label="Block ${l}, ${block.path}, ${block.kind}" title="block ${l}: ${block.path}">
    <svg width="100%" height="46" aria-hidden="true"><line class="road shortcut ${block.breaks.length ? "dashed" : ""}" x2="100%" y1="12" y2="12"/>
    ${["0", "100%"].map((x) => html`<line class="road branch" x1="${x}" x2="${x}" y1="12" y2="35"/>`)}
    <line class="road branch" x2="100%" y1="34" y2="34"/><rect class="box" y="25" height="18" rx="3"/>
    ${!crowded && html`<text x="50%" y="38.5" text-anchor="middle">${l}</text>`}</svg></button>`;
  const groups = new Map();
  doc.blocks.forEach((block, l) => {
    const name = block.path.includes(".") ? block.path.slice(0, block.path.lastIndexOf(".")) : "";
    groups.set(name, [...(groups.get(name) ?? []), cell(block, l)]);
  });
  return [...groups].map(
    ([name, cells]) => html`<div class="group"><small>${name || "blocks"}</small><div class="${crowded ? "crowded" : ""}">${cells}</div></div>`,
  );
}

const ROAD = 62; // height of the straight road in a diagram, from the top

// backward, a road is as wide as the norm of what travels on it
function diagram(doc, a, backward) {
  const { key } = a;
  const largest = Math.max(...a.terms.map((t) => size(doc, `${t.key}.norm`)), size(doc, `${key}.incoming_norm`), size(doc, `${key}.outgoing_norm`)) || 1;
  const wide = (k) => (backward ? (2 + (15 * size(doc, k)) / largest).toFixed(1) : 3);
  const road = (color, k, d) => html`<path class="road ${color}" stroke-width="${wide(k)}" d="${d}"/>`;
  const arrow = (color, x, y, k) => {
    const half = wide(k) / 2 + 7;
    const tip = backward ? -half : half;
    return html`<path class="arrow ${color}" d="M${x} ${y - half}L${x + tip} ${y}L${x} ${y + half}Z"/>`;
  };
  const text = (color, x, y, anchor, words) => html`<text class="${color}" x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
  const box = (x, y, wideness, words) =>
    html`<rect class="box" x="${x - wideness / 2}" y="${y - 17}" width="${wideness}" height="34" rx="6"/>${text("in", x, y + 6, "middle", words)}`;
  const plus = (x, words) => html`<circle class="node" cx="${x}" cy="${ROAD}" r="15"/>${text("plus", x, ROAD + 8, "middle", words)}`;
  const dot = (x) => html`<circle class="dot" cx="${x}" cy="${ROAD}" r="7"/>`;
  const end = (x, anchor, words, k) => html`${text("end", x, 36, anchor, words)}${backward && text("", x, 103, anchor, svgNum(doc, k))}`;

  const shortcut = a.terms.find((term) => term.name === "shortcut");
  const label = (term) => html`${term.symbol} <tspan dx="6"></tspan>${svgNum(doc, `${term.key}.norm`)}`;
  const forwardLabel = a.gated ? "(1−t)·x" : a.one ? "x, unchanged" : "shortcut";
  const detours = a.terms.filter((term) => term !== shortcut);
  const low = (i) => 138 + 66 * i;
  const detour = (term, i) => html`${road(term.name, `${term.key}.norm`, `M130 ${ROAD}V${low(i) - 14}q0 14 14 14H456q14 0 14 -14V${ROAD}`)}
    ${box(300, low(i), 74, term.name === "branch" ? "F" : term.name)}${arrow(term.name, 390, low(i), `${term.key}.norm`)}
    ${backward && text(term.name, 300, low(i) + 41, "middle", label(term))}`;
  return html`<svg class="diagram" viewBox="0 0 640 ${low(detours.length - 1) + (backward ? 52 : 26)}" role="img"
    aria-label="${backward ? "Backward through the block, from right to left" : "Forward through the block, from left to right"}">
    ${detours.map(detour).reverse()}
    ${shortcut && html`${road("shortcut", `${shortcut.key}.norm`, `M130 ${ROAD}H470`)}${arrow("shortcut", 305, ROAD, `${shortcut.key}.norm`)}
      ${text("shortcut", 300, 36, "middle", backward ? label(shortcut) : forwardLabel)}`}
    ${road("", `${key}.outgoing_norm`, `M16 ${ROAD}H130`)}${arrow("", a.pre.length ? 34 : 75, ROAD, `${key}.outgoing_norm`)}
    ${road("", `${key}.at_fork_norm`, `M470 ${ROAD}H545`)}${road("", `${key}.incoming_norm`, `M545 ${ROAD}H624`)}${arrow("", a.post.length ? 604 : 545, ROAD, `${key}.incoming_norm`)}
    ${a.side.length > 0 && box(210, ROAD, 50, "A")}${a.pre.length > 0 && box(76, ROAD, 56, "pre")}
    ${a.post.length > 0 && box(535, ROAD, 74, listed(a.post).length < 8 ? listed(a.post) : "post")}
    ${backward ? html`${plus(130, "+")}${dot(470)}` : html`${dot(130)}${plus(470, a.added || a.gated ? "+" : "‖")}`}
    ${end(16, "start", backward ? a.here : "x", `${key}.outgoing_norm`)}${end(624, "end", backward ? a.behind : "y", `${key}.incoming_norm`)}
  </svg>`;
}

// ---- pictures: blue below zero, orange above, as opaque as the value is large ----

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
  <canvas data-map="${name}" role="img" aria-label="${symbol}, ${words}"></canvas><figcaption><b>${symbol}</b><small>${words}</small></figcaption></figure>`;

function forwardPictures(a, maps) {
  const known = { shortcut: ["x", "over the shortcut"], branch: ["F(x)", "from the branch"], gate: ["t", "from the gate"] };
  if (!a.one) known.shortcut[0] = "A(x)";
  const ways = Object.keys(maps)
    .filter((name) => !["x", "y", "sum"].includes(name))
    .sort((s, t) => (t === "shortcut") - (s === "shortcut"))
    .map((name) => picture(name, ...(known[name] ?? [name, "a way"])));
  const sum = a.added && maps.sum && html`${picture("sum", "sum", "of the two")}${sign("→")}`;
  return html`<div>${picture("x", "x", "comes in")}${sign("→")}</div><div>${withSigns(ways, a.added ? "+" : a.gated ? "," : "‖")}</div>
    <div>${sign(a.added ? "=" : "→")}${sum}${picture("y", "y", "goes on")}</div>`;
}

function backwardPictures(a, maps) {
  const words = { shortcut: "over the shortcut", branch: "through the branch", gate: "through the gate" };
  const terms = a.terms.map((term) => picture(term.name, term.symbol, words[term.name] ?? `through ${term.name}`));
  const masked = maps.at_fork && a.post.length > 0 && html`${sign("→")}${picture("at_fork", a.atFork, "at the +")}`;
  return html`<div>${picture("incoming", a.behind, "arrives")}${masked}${sign("→")}</div>
    <div>${withSigns(terms, "+")}</div><div>${sign("=")}${picture("outgoing", a.here, "leaves")}</div>`;
}

function pictures(doc, a, phase) {
  if (!a.block.pictures) return "";
  const { maps } = a.block.pictures[phase];
  return html`<div class="pictures">${phase === "forward" ? forwardPictures(a, maps) : backwardPictures(a, maps)}</div>
    <p class="legend"><span>−</span><i></i><span>+</span> first image, mean over the channels; the pictures of a step share one
    colour scale, whose deepest colour is 127 × ${num(doc, `${a.key}.pictures.${phase}.scale`)}</p>`;
}

// norms as bars; they do not add up, the shares do
function bars(doc, a) {
  const rows = [
    { symbol: a.behind, words: "arrives", key: `${a.key}.incoming_norm` },
    a.post.length > 0 && { symbol: a.atFork, words: `behind ${listed(a.post)}`, key: `${a.key}.at_fork_norm` },
    ...a.terms.map((t) => ({ symbol: t.symbol, words: t.name, key: `${t.key}.norm`, share: `${t.key}.share`, color: t.name })),
    { symbol: a.here, words: "leaves", key: `${a.key}.outgoing_norm` },
  ].filter(Boolean);
  const largest = Math.max(...rows.map(({ key }) => size(doc, key))) || 1;
  const row = ({ symbol, words, key, share, color = "" }) => html`<tr class="${color}"><th scope="row"><b>${symbol}</b> <small>${words}</small></th>
    <td class="bar"><svg width="100%" height="14" aria-hidden="true"><rect width="${(100 * size(doc, key)) / largest}%" height="14" rx="2"/></svg></td>
    <td>${num(doc, key)}</td><td>${share && num(doc, share)}</td></tr>`;
  return html`<p class="formula">|${a.here}| = |${a.terms.map((t) => t.symbol).join(" + ")}| = ${num(doc, `${a.key}.outgoing_norm`)}</p>
    <table class="bars"><thead><tr><th scope="col">gradient</th><td></td><th scope="col">norm</th><th scope="col">share of ${a.here}</th></tr></thead>
    <tbody>${rows.map(row)}</tbody></table>
    <p class="note">Norms do not add up, for the terms have directions; the shares do, to 1. Compared with |${a.behind}|, the
    shortcut brings ${num(doc, `${a.key}.shortcut_scaling`)} and the rest ${num(doc, `${a.key}.residual_ratio`)}.</p>`;
}

function stepPanel(doc, now) {
  if (now.phase === "loss")
    return html`<p class="turn">${num(doc, "output_gradient_norm")}<small>|g${sub(doc.blocks.length)}|, about to travel back</small></p>`;
  const a = anatomy(doc, now.block);
  if (now.phase === "forward") return html`${diagram(doc, a, false)}${pictures(doc, a, "forward")}`;
  return html`${diagram(doc, a, true)}${pictures(doc, a, "backward")}${bars(doc, a)}${reasons(a)}`;
}
