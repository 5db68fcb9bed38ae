// The charts beside the step: the gradient along the network, and at its first block by path length.

const WIDTH = 400; // of a chart, in its own units
const LEFT = 60; // where its axes begin

// |g_l| at each place of the chain, and what came there on shortcuts alone; place n is behind the last block
function gradientChart(doc, now) {
  const n = doc.blocks.length;
  const keysOf = (name) => [...doc.blocks.map((_, l) => `blocks.${l}.${name}`), "output_gradient_norm"];
  const lines = { total: keysOf("outgoing_norm"), shortcut: keysOf("identity_norm") };
  const positive = [...lines.total, ...lines.shortcut].filter((key) => size(doc, key) > 0);
  if (!positive.length) return html`<p class="note">Every gradient is zero.</p>`;
  positive.sort((p, q) => size(doc, p) - size(doc, q));
  const [low, high] = [positive[0], positive.at(-1)];
  const logarithmic = size(doc, high) > 30 * size(doc, low);
  const step = (WIDTH - LEFT - 26) / n;
  const x = (l) => LEFT + 10 + step * l;
  const y = heightOf(logarithmic, size(doc, low), size(doc, high));
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
      ${line("total")}${line("shortcut")}
      ${svgText(LEFT - 5, 22, "end", svgNum(doc, high))}
      ${svgText(LEFT - 5, 154, "end", logarithmic ? svgNum(doc, low) : "0")}
      ${svgText(x(0), 172, "middle", "g₀")}
      ${svgText(x(n), 172, "middle", `g${sub(n)}`)}
      ${doc.blocks.map(hit)}
    </svg>
    <p class="key">
      <span class="total">the whole gradient</span>
      <span class="shortcut">what came on shortcuts alone</span>
      ${logarithmic && html`<span>(logarithmic)</span>`}
    </p>`;
}

// norm -> distance from the top; zero has no logarithm and lies just below the chart
function heightOf(logarithmic, lowest, highest) {
  const scaled = logarithmic ? Math.log : Number;
  const bottom = logarithmic ? scaled(lowest) : 0;
  const unit = 132 / (scaled(highest) - bottom || 1);
  return (v) => (v > 0 || !logarithmic ? 150 - unit * (scaled(v) - bottom) : 156);
}

function gradientReadout(doc, now) {
  if (now.phase !== "backward") return html`The norm of the gradient. It fills on the way back, from right to left.`;
  const { key, here } = anatomy(doc, now.block);
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

const charts = (doc) => html`<section class="panel">
    <h2>Along the network</h2>
    <div class="along"></div>
    <p class="note along-note"></p>
  </section>
  <section class="panel">
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
