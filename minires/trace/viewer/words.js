// A block in the symbols of the papers, and what is said about it: g_l is the gradient before block l, g_{l+1} behind.

// what the words and symbols of the page mean, for whoever points at one
const MEANINGS = {
  g: "The gradient of the loss with respect to what enters the block of this number.",
  hat: "The gradient at the addition: g behind the block, once it has passed the layers after the +.",
  one: "The 1 of 1 + dF/dx: the shortcut hands the gradient on as it is.",
  A: "The shortcut as a matrix: Aᵀ is what it does to a gradient on the way back. On a plain shortcut A is 1.",
  carried: "The part of the gradient that the gate lets pass over the shortcut.",
  r: "What comes back through the branch: the gradient after all of its layers, that is times dF/dx.",
  c: "What comes back through the gate, because t depends on x as well.",
  identity: "What hands on x unchanged. Its derivative is 1, so a gradient passes it as it is.",
  alone: "The 1 alone: what would arrive from the last block if every branch let nothing back, only the shortcuts.",
  norm: "The length |g| of a gradient: the root of the sum of the squares of all its numbers.",
  share:
    "The part of the sum that a term brings: as much of it as points in the direction of the sum. All shares add up " +
    "to 1; one that works against the others is negative.",
  cosine:
    "Of the angle between the shortcut’s term and the rest: 1 where both point the same way, 0 at right angles, −1 " +
    "against each other.",
};
// no <button>, for a line may break behind one, before the full stop
const word = (name, shown = name) =>
  html`<span class="word" role="button" tabindex="0" data-word="${name}">${shown}</span>`;

const SYMBOLS = { branch: "r", gate: "c" };
const listed = (breaks) => [...new Set(breaks.map((b) => b.kind))].join(", ");
const shortcutFirst = (s, t) => (t === "shortcut") - (s === "shortcut");

function anatomy(doc, l) {
  const block = doc.blocks[l];
  const breaks = (place) => block.breaks.filter((b) => b.place === place);
  const a = {
    block,
    key: `blocks.${l}`,
    pre: breaks("pre"),
    side: breaks("shortcut"),
    post: breaks("post"),
    plain: breaks("block").length > 0,
    gated: block.kind === "Gate",
    added: block.kind === "Residual",
    here: `g${sub(l)}`,
    behind: `g${sub(l + 1)}${breaks("link").length ? "′" : ""}`,
  };
  a.linked = a.behind.endsWith("′");
  a.atFork = a.post.length ? `ĝ${sub(l + 1)}` : a.behind;
  a.one = a.added && !a.pre.length && !a.side.length;
  const carried = a.gated && !a.pre.length;
  const shortcut = a.one ? `1·${a.atFork}` : carried ? `(1−t)·${a.atFork}` : `A${sub(l)}ᵀ${a.behind}`;
  a.terms = Object.keys(block.terms)
    .sort(shortcutFirst)
    .map((name) => ({
      name,
      key: `${a.key}.terms.${name}`,
      word: name !== "shortcut" ? (SYMBOLS[name] ?? "r") : a.one ? "one" : carried ? "carried" : "A",
      symbol: name === "shortcut" ? shortcut : `${SYMBOLS[name] ?? name}${sub(l)}`,
    }));
  return a;
}

const SHORTCUT = html`<b class="shortcut">the shortcut</b>`;
const BRANCH = html`<b class="branch">the branch</b>`;
const GATE = html`<b class="gate">the gate</b>`;

function title(doc, now) {
  if (now.phase === "loss") return html`loss <span>and back</span>`;
  return html`${now.phase} <span>through block ${now.block} (<code>${doc.blocks[now.block].path}</code>)</span>`;
}

function say(doc, now) {
  if (now.phase === "loss") return sayLoss(doc, doc.blocks.length);
  const a = anatomy(doc, now.block);
  if (now.phase === "forward") return sayForward(a);
  return html`${howItArrives(a)} ${howItSplits(a)} ${whatIsLarger(doc, a)}`;
}

function sayForward(a) {
  if (a.plain) return html`x goes through the layers of the block. No shortcut leads around them.`;
  if (a.gated)
    return html`From x, ${GATE} computes t, between 0 and 1: ${SHORTCUT} lets (1 − t)·x through. To that ${BRANCH} adds
      its F(x), of which the gate may take a part as well.`;
  if (a.block.kind === "Concat")
    return html`The ways are laid side by side, not added: y holds the channels of each of them.`;
  if (!a.added) return html`x takes several ways, which join again.`;
  const over = a.side.length
    ? html`over ${SHORTCUT}, which changes it here (${listed(a.side)}),`
    : html`unchanged over ${SHORTCUT},`;
  return html`${a.pre.length ? `First x passes ${listed(a.pre)}. Then it` : "x"} takes two ways: ${over} and through
    ${BRANCH}, which computes F(x). The two are added${a.post.length ? `, then comes ${listed(a.post)}` : ""}.`;
}

function howItArrives(a) {
  const link = a.linked && `Layers without a fork lie behind this block; ${a.behind} has come through them.`;
  const mask =
    a.post.length > 0 &&
    html`First the gradient passes the ${listed(a.post)} behind the addition, which leaves
      ${word("hat", a.atFork)}.`;
  return html`${link} ${mask}`;
}

function howItSplits(a) {
  if (a.plain)
    return html`Without a shortcut there is one term: all of the gradient goes through the layers of the block, and each
      of them may shrink or blow it up.`;
  if (a.gated)
    return html`Of the gradient, ${SHORTCUT} lets the part 1 − t through, ${BRANCH} adds ${word("r")}, and
      ${GATE} a term ${word("c")} of its own, because t depends on x as well.`;
  if (a.block.kind === "Concat")
    return html`The gradient is cut into its channels again: each way gets those it made and brings them back to x, and
      what comes back is added.`;
  if (!a.added) return html`Each way brings its part back to x, and the parts are added.`;
  if (!a.one)
    return html`The + hands the gradient to both ways. Here ${SHORTCUT} is no plain 1: it leads through
      ${listed([...a.side, ...a.pre])}, and leaves ${word("A", a.terms[0].symbol)} of the gradient; ${BRANCH} adds
      ${word("r")}.`;
  return html`The + hands ${a.atFork} to both ways: ${SHORTCUT} passes it on unchanged, that is the ${word("one", "1")}, and
    ${BRANCH} adds ${word("r")}, what dF/dx makes of it. Whatever r is, ${a.atFork} comes through whole.`;
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
  return html`${part} of ${a.here} came over the shortcut (${word("share")} ${num(doc, `${a.key}.terms.shortcut.share`)}); ${angle}
    (${word("cosine")} ${num(doc, `${a.key}.cosine`)}).`;
}

function sayLoss(doc, n) {
  const start = html`g${sub(n)}, the gradient behind the last block, has the norm ${num(doc, "output_gradient_norm")}.`;
  return doc.loss === null
    ? html`The way back starts from a given gradient of the output. ${start}`
    : html`The loss of this batch is ${num(doc, "loss")}. Its gradient is where the way back starts: ${start}`;
}
