// A block in the symbols of the papers, and what is said about it: g_l is the gradient before block l, g_{l+1} behind.

const SYMBOLS = { branch: "r", gate: "c" };
const listed = (breaks) => [...new Set(breaks.map((b) => b.kind))].join(", ");

function anatomy(doc, l) {
  const block = doc.blocks[l];
  const breaks = (where) => block.breaks.filter((b) => b.where === where);
  const a = {
    block,
    key: `blocks.${l}`,
    pre: breaks("before the fork, shared by shortcut and branch"),
    side: breaks("on the shortcut"),
    post: breaks("after the addition"),
    gated: block.kind === "Gate",
    added: block.kind === "Residual",
    here: `g${sub(l)}`,
    behind: `g${sub(l + 1)}${breaks("between the blocks").length ? "′" : ""}`,
  };
  a.linked = a.behind.endsWith("′");
  a.atFork = a.post.length ? `ĝ${sub(l + 1)}` : a.behind;
  a.one = a.added && !a.pre.length && !a.side.length;
  const shortcut = a.one ? `1·${a.atFork}` : a.gated && !a.pre.length ? `(1−t)·${a.atFork}` : `A${sub(l)}ᵀ${a.behind}`;
  a.terms = Object.keys(block.terms)
    .map((name) => ({
      name,
      key: `${a.key}.terms.${name}`,
      symbol: name === "shortcut" ? shortcut : `${SYMBOLS[name] ?? name}${sub(l)}`,
    }))
    .sort((s, t) => (t.name === "shortcut") - (s.name === "shortcut"));
  return a;
}

function sayForward(a) {
  if (a.gated)
    return html`A gate computes t, between 0 and 1, from x. <b class="shortcut">The shortcut</b> lets (1 − t)·x through, and
      <b class="branch">the branch</b> adds its F(x), of which the gate may take a part as well.`;
  if (a.block.kind === "Concat")
    return html`The ways are laid side by side, not added: y holds the channels of each of them.`;
  if (!a.added) return html`x takes several ways, which join again.`;
  const shortcut = html`over <b class="shortcut">the shortcut</b>`;
  return html`${a.pre.length ? `First x passes ${listed(a.pre)}. Then it` : "x"} takes two ways:
    ${a.side.length ? html`${shortcut}, which changes it here (${listed(a.side)}),` : html`unchanged ${shortcut},`} and
    through <b class="branch">the branch</b>, which computes F(x). The two are
    added${a.post.length ? `, then comes ${listed(a.post)}` : ""}.`;
}

const sayBackward = (doc, a) => html`${howItArrives(a)} ${howItSplits(a)} ${whatIsLarger(doc, a)}`;

function howItArrives(a) {
  const link = a.linked && `Layers without a fork lie behind this block; ${a.behind} has come through them.`;
  const mask = a.post.length > 0 && `First the gradient passes the ${listed(a.post)} behind the addition, which leaves ${a.atFork}.`;
  return html`${link} ${mask}`;
}

function howItSplits(a) {
  const shortcut = html`<b class="shortcut">the shortcut</b>`;
  const branch = html`<b class="branch">the branch</b>`;
  if (a.gated)
    return html`Of the gradient, ${shortcut} lets the part 1 − t through, ${branch} adds r, and <b class="gate">the gate</b> a
      term c of its own, because t depends on x as well.`;
  if (a.block.kind === "Concat")
    return html`The gradient is cut into its channels again: each way gets those it made and brings them back to x, and what
      comes back is added.`;
  if (!a.added) return html`Each way brings its part back to x, and the parts are added.`;
  if (!a.one)
    return html`The + hands the gradient to both ways. Here ${shortcut} is no plain 1: it leads through
      ${listed([...a.side, ...a.pre])}, and leaves ${a.terms[0].symbol} of the gradient; ${branch} adds r.`;
  return html`The + hands ${a.atFork} to both ways: ${shortcut} passes it on unchanged, that is the 1, and ${branch} adds r, what
    dF/dx makes of it. Whatever r is, the 1 stays.`;
}

function whatIsLarger(doc, a) {
  const { cosine } = a.block;
  const share = a.block.terms.shortcut?.share ?? null;
  if (share === null || cosine === null) return "";
  const part = share > 0.75 ? "Most" : share > 0.25 ? "A good part" : share > 0 ? "Little" : "Nothing";
  const angle =
    cosine > 0.3
      ? "the terms point the same way and strengthen each other"
      : cosine < -0.3
        ? "the terms point against each other and cancel in part"
        : "the terms are nearly at right angles";
  return html`${part} of ${a.here} came over the shortcut (share ${num(doc, `${a.key}.terms.shortcut.share`)}); ${angle}
    (cosine ${num(doc, `${a.key}.cosine`)}).`;
}

function sayLoss(doc, n) {
  const start = html`g${sub(n)}, the gradient behind the last block, has the norm ${num(doc, "output_gradient_norm")}.`;
  return doc.loss === null
    ? html`The way back starts from a given gradient of the output. ${start}`
    : html`The loss of this batch is ${num(doc, "loss")}. Its gradient is where the way back starts: ${start}`;
}

function reasons({ block }) {
  if (!block.breaks.length) return html`<p class="holds">Nothing stands in the way of the 1 at this block.</p>`;
  return html`<div class="broken"><h3>${block.kind === "Residual" ? "Why the “1” is not exact here" : "Why this is no plain “1 +”"}</h3>
    <ul>${block.breaks.map((b) => html`<li><b>${b.kind}</b>, ${b.where}: ${b.why}. <code>${b.path}</code></li>`)}</ul></div>`;
}
