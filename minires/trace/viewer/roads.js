// The network and its blocks as roads: the shortcut runs straight, each branch is a detour below it.

const lastDot = (path) => path.slice(0, Math.max(path.lastIndexOf("."), 0));

// the whole network, a cell a block
function chain(doc, now) {
  const groups = new Map();
  doc.blocks.forEach((block, l) => {
    const name = lastDot(block.path);
    groups.set(name, [...(groups.get(name) ?? []), cell(doc, now, l)]);
  });
  const crowded = isCrowded(doc) ? "crowded" : "";
  return [...groups].map(
    ([name, cells]) => html`<div class="group">
      <small>${name || "blocks"}</small>
      <div class="${crowded}">${cells}</div>
    </div>`,
  );
}

const isCrowded = (doc) => doc.blocks.length > 30;

function cell(doc, now, l) {
  const { path, kind, breaks } = doc.blocks[l];
  const on = l === now.block;
  const passed = (now.phase === "forward" && l < now.block) || (now.phase === "backward" && l > now.block);
  const inTabOrder = l === Math.min(now.block, doc.blocks.length - 1);
  return html`<button type="button" class="cell ${on ? "on" : passed ? "passed" : ""}" data-block="${l}"
    tabindex="${inTabOrder ? 0 : -1}" aria-current="${on ? "step" : "false"}"
    aria-label="Block ${l}, ${path}, ${kind}" title="block ${l}: ${path}">
    <svg width="100%" height="46" aria-hidden="true">
      ${!doc.plain && html`<line class="road shortcut ${breaks.length ? "dashed" : ""}" x2="100%" y1="12" y2="12"/>`}
      <line class="road branch" y1="12" y2="35"/>
      <line class="road branch" x2="100%" y1="34" y2="34"/>
      <line class="road branch" x1="100%" x2="100%" y1="12" y2="35"/>
      <rect class="box" y="25" height="18" rx="3"/>
      ${!isCrowded(doc) && html`<text x="50%" y="38.5" text-anchor="middle">${l}</text>`}
    </svg>
  </button>`;
}

// ---- one block; sizes are in units of the drawing, which is 640 wide ----

const ROAD = 62; // the straight road, from the top
const [FORK, JOIN] = [130, 470]; // where the detours leave and meet it, from the left
const low = (i) => 138 + 66 * i; // the detours, from the top

const svgText = (x, y, anchor, words, color = "") =>
  html`<text class="${color}" x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;

const box = (x, y, width, words) => html`
  <rect class="box" x="${x - width / 2}" y="${y - 17}" width="${width}" height="34" rx="6"/>
  ${svgText(x, y + 6, "middle", words, "in")}`;

const junction = (x, words) => html`
  <circle class="node" cx="${x}" cy="${ROAD}" r="15"/>
  ${svgText(x, ROAD + 8, "middle", words, "plus")}`;

const dot = (x) => html`<circle class="dot" cx="${x}" cy="${ROAD}" r="7"/>`;

// a piece of road with an arrow on it: {d, color, key of the norm that travels on it, x and y of the arrow}
function road(doc, backward, largest, { d, color = "", key, x, y = ROAD }) {
  const width = backward ? 2 + (15 * size(doc, key)) / largest : 3;
  const half = width / 2 + 7;
  const tip = backward ? x - half : x + half;
  return html`<path class="road ${color}" stroke-width="${width.toFixed(1)}" d="${d}"/>
    ${x && html`<path class="arrow ${color}" d="M${x} ${y - half}L${tip} ${y}L${x} ${y + half}Z"/>`}`;
}

// backward, a road is as wide as the norm of what travels on it
function diagram(doc, a, backward) {
  const [incoming, atFork, outgoing] = ["incoming", "at_fork", "outgoing"].map((name) => `${a.key}.${name}_norm`);
  const norms = [incoming, outgoing, ...a.terms.map((term) => `${term.key}.norm`)];
  const largest = Math.max(...norms.map((key) => size(doc, key))) || 1;
  const draw = (piece) => road(doc, backward, largest, piece);
  const detours = a.terms.filter((term) => term.name !== "shortcut");
  const shortcut = a.terms.find((term) => term.name === "shortcut");
  const after = listed(a.post);
  const joined = a.added || a.gated ? "+" : "‖";
  return html`<svg class="diagram" viewBox="0 0 640 ${low(detours.length - 1) + (backward ? 52 : 26)}" role="img"
    aria-label="The block, passed from ${backward ? "right to left" : "left to right"}">
    ${detours.map((term, i) => detour(doc, draw, term, low(i), backward)).reverse()}
    ${shortcut && straight(doc, draw, a, shortcut, backward)}
    ${draw({ key: outgoing, d: `M16 ${ROAD}H${FORK}`, x: a.pre.length ? 34 : 75 })}
    ${draw({ key: atFork, d: `M${JOIN} ${ROAD}H545` })}
    ${draw({ key: incoming, d: `M545 ${ROAD}H624`, x: a.post.length ? 604 : 545 })}
    ${a.side.length > 0 && box(210, ROAD, 50, "A")}
    ${a.pre.length > 0 && box(76, ROAD, 56, "pre")}
    ${after && box(535, ROAD, 74, after.length < 8 ? after : "post")}
    ${!a.plain && (backward ? [junction(FORK, "+"), dot(JOIN)] : [dot(FORK), junction(JOIN, joined)])}
    ${svgText(16, 36, "start", backward ? a.here : "x", "end")}
    ${svgText(624, 36, "end", backward ? a.behind : "y", "end")}
    ${backward && [svgText(16, 103, "start", svgNum(doc, outgoing)), svgText(624, 103, "end", svgNum(doc, incoming))]}
  </svg>`;
}

const termLabel = (doc, term) => html`${term.symbol} <tspan dx="6"></tspan>${svgNum(doc, `${term.key}.norm`)}`;

function straight(doc, draw, a, term, backward) {
  const forward = a.gated ? "(1−t)·x" : a.one ? "x, unchanged" : "shortcut";
  return html`${draw({ key: `${term.key}.norm`, color: "shortcut", d: `M${FORK} ${ROAD}H${JOIN}`, x: 305 })}
    ${svgText(300, 36, "middle", backward ? termLabel(doc, term) : forward, "shortcut")}`;
}

function detour(doc, draw, term, y, backward) {
  const d = `M${FORK} ${ROAD}V${y - 14}q0 14 14 14H${JOIN - 14}q14 0 14 -14V${ROAD}`;
  return html`${draw({ key: `${term.key}.norm`, color: term.name, d, x: 390, y })}
    <g class="${backward && "open"}">${box(300, y, 74, term.name === "branch" ? "F" : term.name)}</g>
    ${backward && svgText(300, y + 41, "middle", termLabel(doc, term), term.name)}`;
}
