// The charts: loss by step, |dW| by depth, and the shares of the terms at each block. None of them computes a number
// that is shown as text: those come from the answer of the lab, with their key in it.

const WIDTH = 400; // of a chart, in its own units
const LEFT = 52; // where its axes begin
const TOP = 14;
const FOOT = 150;
const SIDES = ["a", "b"]; // the class of each network

const svgText = (x, y, anchor, words, name = "") =>
  html`<text class="${name}" x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
const points = (pairs) => pairs.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

const GUESS = Math.log(10); // the loss of guessing, of ten classes
const MOST = 2 * GUESS; // losses above are drawn at the edge

function lossChart(losses, words) {
  const steps = Math.max(losses.length, 20);
  const x = (i) => LEFT + ((WIDTH - LEFT - 4) * i) / (steps - 1);
  const y = (v) => FOOT - ((FOOT - TOP) * Math.min(v, MOST)) / MOST;
  const every = Math.max(1, Math.floor(losses.length / 400));
  const line = (side) => {
    const raw = [];
    const smooth = [];
    let mean = null;
    losses.forEach((row, i) => {
      if (row[side] === null) return;
      mean = mean === null ? row[side] : 0.9 * mean + 0.1 * Math.min(row[side], MOST);
      if (i % every) return;
      raw.push([x(i), y(row[side])]);
      smooth.push([x(i), y(mean)]);
    });
    const end = smooth.at(-1);
    return html`<polyline class="raw ${SIDES[side]}" points="${points(raw)}"/>
      <polyline class="${SIDES[side]}" points="${points(smooth)}"/>
      ${end && html`<circle class="${SIDES[side]}" cx="${end[0].toFixed(1)}" cy="${end[1].toFixed(1)}" r="3.5"/>`}`;
  };
  const now = [0, 1].map((side) => format(losses.at(-1)?.[side] ?? null));
  return html`<svg class="chart loss" viewBox="0 0 ${WIDTH} 172" role="img" aria-label="${words.chartOfLoss(...now)}">
    <path class="grid" d="M${LEFT} ${FOOT}H${WIDTH}"/>
    <path class="grid dashed" d="M${LEFT} ${y(GUESS)}H${WIDTH}"/>
    ${svgText(LEFT + 4, y(GUESS) - 5, "start", words.guessing)}
    ${[0, 1, 2, 3, 4].map((v) => svgText(LEFT - 6, y(v) + 4, "end", v))}
    ${svgText(LEFT, 168, "start", "0")}
    ${svgText(WIDTH, 168, "end", `${steps} ${words.steps}`)}
    ${losses.length ? [0, 1].map(line) : svgText((WIDTH + LEFT) / 2, 40, "middle", words.pressTrain)}
  </svg>`;
}

function depthChart(nets, words) {
  const sizes = nets.map((net) => (net.depth ?? []).map(({ dw }) => dw));
  const positive = sizes.flat().filter((v) => v > 0);
  if (!positive.length) return html`<p class="note">${words.silent}</p>`;
  const low = 10 ** Math.floor(Math.log10(Math.min(...positive)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...positive) * 1.001));
  const y = (v) => FOOT - ((FOOT - TOP) * Math.log(v / low)) / Math.log(high / low);
  const x = (i, n) => LEFT + 6 + ((WIDTH - LEFT - 12) * i) / (n - 1);
  const ticks = [];
  const decades = Math.round(Math.log10(high / low));
  for (let k = 0; k <= decades; k += Math.ceil(decades / 5)) ticks.push(low * 10 ** k);
  const line = (values, side) => {
    const places = values.map((v, i) => [x(i, values.length), v > 0 ? y(v) : FOOT + 5]);
    const dot = ([cx, cy], i) => html`<circle class="${SIDES[side]}" cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}"
      r="${values.length > 30 ? 2 : 3}"><title>${nets[side].depth[i].path}: ${format(values[i])}</title></circle>`;
    return html`<polyline class="${SIDES[side]}" points="${points(places)}"/>${places.map(dot)}`;
  };
  return html`<svg class="chart depth" viewBox="0 0 ${WIDTH} 172" role="img" aria-label="${words.chartOfDepth}">
    ${ticks.map((v) => html`<path class="grid" d="M${LEFT} ${y(v)}H${WIDTH}"/>
      <text x="${LEFT - 6}" y="${y(v) + 4}" text-anchor="end">10<tspan dy="-5" font-size="9">${
        Math.round(Math.log10(v))}</tspan></text>`)}
    ${svgText(LEFT, 168, "start", words.firstLayer)}
    ${svgText(WIDTH, 168, "end", words.lastLayer)}
    ${sizes.map(line)}
  </svg>`;
}

// shares as bars from 0 to 1; what works against the sum hangs below 0
function termsChart(net, chosen, words) {
  const { blocks } = net;
  const step = (WIDTH - LEFT) / blocks.length;
  const stacks = blocks.map(({ terms }) => {
    let [up, down] = [0, 0];
    return Object.keys(terms).sort((p, q) => (q === "shortcut") - (p === "shortcut")).map((name) => {
      const share = Math.max(-1, Math.min(2, terms[name].share ?? 0));
      const from = share < 0 ? down : up;
      if (share < 0) down += share;
      else up += share;
      return { name, from, to: from + share };
    });
  });
  const ends = stacks.flat().flatMap(({ from, to }) => [from, to]);
  const [low, high] = [Math.max(-1, Math.min(-0.15, ...ends)), Math.min(2, Math.max(1.15, ...ends))];
  const y = (v) => FOOT - ((FOOT - TOP) * (Math.max(low, Math.min(high, v)) - low)) / (high - low);
  const bar = ({ name, from, to }, l) => html`<rect class="${name}" x="${(LEFT + (l + 0.12) * step).toFixed(1)}"
    width="${(0.76 * step).toFixed(1)}" y="${y(Math.max(from, to)).toFixed(1)}"
    height="${Math.abs(y(from) - y(to)).toFixed(1)}"/>`;
  return html`<svg class="chart terms" viewBox="0 0 ${WIDTH} 172" role="img" aria-label="${words.chartOfTerms}">
    <rect class="mark" x="${(LEFT + chosen * step).toFixed(1)}" y="4" width="${step.toFixed(1)}" height="${FOOT}"/>
    <path class="grid" d="M${LEFT} ${y(1)}H${WIDTH}M${LEFT} ${y(0)}H${WIDTH}"/>
    ${svgText(LEFT - 6, y(1) + 4, "end", "1")}${svgText(LEFT - 6, y(0) + 4, "end", "0")}
    ${stacks.map((stack, l) => stack.map((one) => bar(one, l)))}
    <path class="grid ones" d="M${LEFT} ${y(1)}H${WIDTH}"/>
    ${svgText(LEFT, 168, "start", `${words.chosen} 0`)}
    ${svgText(WIDTH, 168, "end", `← ${words.fromTheLoss}`)}
    ${blocks.map((block, l) => html`<rect class="hit" data-block="${l}" x="${(LEFT + l * step).toFixed(1)}" y="0"
      width="${step.toFixed(1)}" height="160"><title>${l}: ${block.path}</title></rect>`)}
  </svg>`;
}
