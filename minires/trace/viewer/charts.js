// The charts beside the step: the gradient along the network, and at its first block by path length.

const WIDTH = 400; // of a chart, in its own units
const LEFT = 60; // where its axes begin

// |g_l| at each place of the chain, and what came there on shortcuts alone; place n is behind the last block
function gradientChart(doc, now) {
  const n = doc.blocks.length;
  const keysOf = (name) => [...doc.blocks.map((_, l) => `blocks.${l}.${name}`), "output_gradient_norm"];
  const lines = { total: keysOf("outgoing_norm"), ...(!doc.plain && { shortcut: keysOf("identity_norm") }) };
  const positive = Object.values(lines).flat().filter((key) => size(doc, key) > 0);
  if (!positive.length) return html`<p class="note">Every gradient is zero.</p>`;
  positive.sort((p, q) => size(doc, p) - size(doc, q));
  const [low, high] = [positive[0], positive.at(-1)];
  const step = (WIDTH - LEFT - 26) / n;
  const x = (l) => LEFT + 10 + step * l;
  const y = heightOf(size(doc, low), size(doc, high));
  const reached = { forward: n + 1, loss: n, backward: now.block }[now.phase];
  const line = (name) => {
    const points = lines[name].map((key, l) => [x(l).toFixed(1), y(size(doc, key)).toFixed(1)]);
    const past = points.slice(reached);
    return html`<polyline class="ahead ${name}" points="${points.join(" ")}"/>
      <polyline class="${name}" points="${past.join(" ")}"/>
      ${past.map(([cx, cy]) => html`<circle class="${name}" cx="${cx}" cy="${cy}" r="${n > 30 ? 2 : 3.5}"/>`)}`;
  };
  const hit = (block, l) => html`<rect class="hit" data-block="${l}" data-way="backward"
    x="${x(l) - step / 2}" width="${step}" height="160"><title>g${sub(l)}, before ${block.path}</title></rect>`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 178" role="img"
      aria-label="Norm of the gradient at each block; its numbers are below">
      <path class="grid" d="M${LEFT} 150H${WIDTH}M${LEFT} 18H${WIDTH}"/>
      <path class="mark" d="M${x(now.block).toFixed(1)} 8V156"/>
      ${Object.keys(lines).map(line)}
      ${svgText(LEFT - 5, 22, "end", svgNum(doc, high))}
      ${svgText(LEFT - 5, 154, "end", svgNum(doc, low))}
      ${svgText(x(0), 172, "middle", "g₀")}
      ${svgText(x(n), 172, "middle", `g${sub(n)}`)}
      ${doc.blocks.map(hit)}
    </svg>
    <p class="key">
      <span class="total">the whole gradient</span>
      ${!doc.plain && html`<span class="shortcut">what came on ${word("alone", "shortcuts alone")}</span>`}
      <span>(logarithmic)</span>
    </p>`;
}

// norm -> distance from the top; zero has no logarithm and lies just below the chart
function heightOf(lowest, highest) {
  const unit = 132 / (Math.log(highest / lowest) || 1);
  return (v) => (v > 0 ? 150 - unit * Math.log(v / lowest) : 156);
}

function gradientReadout(doc, now) {
  if (now.phase !== "backward") return html`The norm of the gradient. It fills on the way back, from right to left.`;
  const { key, here } = anatomy(doc, now.block);
  if (doc.plain) return html`Before block ${now.block}: |${here}| = ${num(doc, `${key}.outgoing_norm`)}.`;
  return html`Before block ${now.block}: |${here}| = ${num(doc, `${key}.outgoing_norm`)}, and on shortcuts alone,
    without any branch, ${num(doc, `${key}.identity_norm`)}.`;
}

function pathChart(doc, chosen) {
  const { norms, projections, lengths } = doc.paths;
  const step = (WIDTH - LEFT) / lengths.length;
  const largest = (values) => values.reduce((best, v, k) => (Math.abs(v) > Math.abs(values[best]) ? k : best), 0);
  const [p, q] = [largest(norms), largest(projections)];
  const range = Math.max(...projections, 0) - Math.min(...projections, 0);
  const unit = 84 / (range || 1);
  const zero = 136 + unit * Math.max(...projections, 0);
  const bar = (v, k, foot, scale) => html`<rect class="${k ? "branch" : "shortcut"} ${k === chosen ? "chosen" : ""}"
    x="${LEFT + (k + 0.12) * step}" y="${foot - Math.max(v, 0) * scale}"
    width="${0.76 * step}" height="${Math.abs(v) * scale}"/>`;
  const hit = (k) => html`<rect class="hit" data-length="${k}"
    x="${LEFT + k * step}" y="16" width="${step}" height="210"><title>k = ${k}</title></rect>`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 246" role="img"
    aria-label="Gradient at the first block by path length; its numbers are below">
    <path class="grid" d="M${LEFT} 104H${WIDTH}M${LEFT} ${zero}H${WIDTH}"/>
    ${norms.map((v, k) => bar(v, k, 104, 84 / (norms[p] || 1)))}
    ${projections.map((v, k) => bar(v, k, zero, unit))}
    ${svgText(LEFT, 12, "start", "norm of Gₖ")}
    ${svgText(LEFT - 5, 24, "end", svgNum(doc, `paths.norms.${p}`))}
    ${svgText(LEFT - 5, 108, "end", "0")}
    ${svgText(LEFT, 128, "start", "part of g₀, signed")}
    ${svgText(LEFT - 5, projections[q] < 0 ? 224 : 140, "end", svgNum(doc, `paths.projections.${q}`))}
    ${svgText(LEFT, 242, "start", "k = 0, shortcuts only")}
    ${svgText(WIDTH, 242, "end", `every branch, ${lengths.length - 1}`)}
    ${lengths.map(hit)}
  </svg>`;
}

function pathReadout(doc, k) {
  const what = {
    0: "the shortcuts alone",
    [doc.blocks.length]: "through every branch: all that would be left without shortcuts",
  }[k];
  return html`<b>k = ${num(doc, `paths.lengths.${k}`)}</b>${what && ` (${what})`}: ${num(doc, `paths.counts.${k}`)}
    ${doc.paths.counts[k] === 1 ? "path" : "paths"}, |Gₖ| = ${num(doc, `paths.norms.${k}`)}, part of g₀
    ${num(doc, `paths.projections.${k}`)}`;
}

// |dW| of every convolution and linear layer by depth, of one or two networks, on one logarithmic axis
function depthChart(doc) {
  const nets = [
    { name: doc.model, color: "one", key: "depth" },
    doc.against && { name: doc.against.model, color: "other", key: "against.depth" },
  ].filter(Boolean);
  const rows = nets.map(({ key }) => lookUp(doc, key).map((_, i) => `${key}.${i}.dw`));
  const positive = rows.flat().filter((key) => size(doc, key) > 0);
  if (!positive.length) return html`<p class="note">Every gradient is zero.</p>`;
  positive.sort((p, q) => size(doc, p) - size(doc, q));
  const [low, high] = [positive[0], positive.at(-1)];
  const y = heightOf(size(doc, low), size(doc, high));
  const x = (i, n) => LEFT + 8 + ((WIDTH - LEFT - 16) * i) / Math.max(n - 1, 1);
  const line = (keys, color) => {
    const points = keys.map((key, i) => [x(i, keys.length).toFixed(1), y(size(doc, key)).toFixed(1)]);
    const dot = ([cx, cy], i) => html`<circle class="${color}" cx="${cx}" cy="${cy}" r="${keys.length > 30 ? 2 : 3}">
      <title>${lookUp(doc, keys[i].replace(".dw", ".path"))}: ${format(size(doc, keys[i]))}</title></circle>`;
    return html`<polyline class="${color}" points="${points.join(" ")}"/>${points.map(dot)}`;
  };
  return html`<svg class="chart depth" viewBox="0 0 ${WIDTH} 178" role="img"
      aria-label="Norm of the gradient of each weight from the first layer to the last; its numbers are below">
      <path class="grid" d="M${LEFT} 150H${WIDTH}M${LEFT} 18H${WIDTH}"/>
      ${nets.map(({ color }, i) => line(rows[i], color)).reverse()}
      ${svgText(LEFT - 5, 22, "end", svgNum(doc, high))}
      ${svgText(LEFT - 5, 154, "end", svgNum(doc, low))}
      ${svgText(LEFT, 172, "start", "first layer")}
      ${svgText(WIDTH, 172, "end", "last")}
    </svg>
    <p class="key">${nets.map(({ name, color }) => html`<span class="${color}">${name}</span>`)}</p>`;
}

const depthPanel = (doc) =>
  doc.depth.length > 1 &&
  html`<section class="panel by-depth">
    <h2>By depth</h2>
    <p class="note">
      |dW|, the gradient of each weight, from the first layer to the last; logarithmic. Where the line falls to the
      left, the first layers learn slower than the last; where it rises, their steps are too large.
    </p>
    ${depthChart(doc)}
  </section>`;

const charts = (doc) => html`<section class="panel">
    <h2>Along the network</h2>
    <div class="along"></div>
    <p class="note along-note"></p>
  </section>
  ${!doc.plain && pathPanel(doc)}`;

const pathPanel = (doc) => html`<section class="panel">
    <h2>By path length</h2>
    <p class="note">
      Through each block a path takes the shortcut or the branch. Gₖ is what all paths through k branches bring to the
      first block, together.
    </p>
    <div class="by-length"></div>
    <input type="range" class="lengths" min="0" max="${doc.blocks.length}" value="0" aria-label="Path length">
    <p class="note length-note" aria-live="polite"></p>
    <p class="note">
      Norms do not add up, for the Gₖ can cancel; the signed parts do, to 1. Mean length, weighted by norm:
      ${num(doc, "paths.mean_length")}.
    </p>
  </section>`;
