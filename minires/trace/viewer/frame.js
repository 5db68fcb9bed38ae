// What stays on the page while one steps: the head, the idea, the controls, the tables.

const head = (doc) => html`<header>
  <div>
    <h1>How the gradient travels through <em>${doc.model}</em></h1>
    <p class="facts">input ${doc.shape.join(" × ")}, ${doc.dtype}, ${doc.train ? "training" : "inference"} forward</p>
    ${firstPicture(doc)}
  </div>
  <button type="button" class="theme" aria-label="Switch between light and dark" title="light or dark">◐</button>
</header>`;

function firstPicture({ first }) {
  if (!first) return "";
  const named = (i, label) => html`<b>${first.names?.[i] ?? `class ${label}`}</b>`;
  const right = first.label === first.taken_for;
  return html`<p class="facts first">first picture: ${named(0, first.label)}, ${
      right ? "rightly taken for it" : html`taken for ${named(1, first.taken_for)}`
    } (probability ${num({ first }, "first.probability")})</p>`;
}

const one = html`<b class="shortcut">1</b>`;
const slope = html`<b class="branch">dF/dx</b>`;

const equations = (forward, backward) => html`<p class="equations">
  <span><small>forward</small><span>y = ${forward}</span></span>
  <span><small>backward</small><span>dL/dx = dL/dy · ${backward}</span></span>
</p>`;

const hasNoShortcut = (doc) => html`<section class="idea" aria-label="The idea">
    ${equations(html`<b class="branch">F(x)</b>`, slope)}
    <p>
      This network has no shortcut. Its forward has no “x +”, so its gradient has no “1 +”: whatever reaches the first
      layers has gone through every layer behind them, each of which changes it.
      ${!doc.against && html`To see the difference, put the residual network of the same depth beside it:
      <code>minires trace --model plain56 --against resnet56 --html page.html</code>.`}
    </p>
  </section>`;

function idea(doc) {
  if (doc.plain) return hasNoShortcut(doc);
  const posts = doc.blocks.map((block) => block.breaks.filter((b) => b.place === "post"));
  const masked = posts.every((breaks) => breaks.length > 0);
  const behind = listed(posts.flat());
  const sums = doc.blocks.every((block) => block.kind === "Residual");
  return html`<section class="idea" aria-label="The idea">
    ${
      masked
        ? equations(html`${behind}( <b class="shortcut">x</b> + <b class="branch">F(x)</b> )`,
            html`${behind}′ · ( ${one} + ${slope} )`)
        : equations(html`<b class="shortcut">x</b> + <b class="branch">F(x)</b>`, html`( ${one} + ${slope} )`)
    }
    <p>
      A residual block adds something, F(x), to what it gets. So the gradient has two ways back: through
      ${BRANCH}, where every layer changes it, and over ${SHORTCUT}, where it arrives as it is. ${
        doc.identity_holds
          ? html`In this network every shortcut is exactly the ${word("identity")}: nothing is lost on it.`
          : masked
            ? `Here ${behind} stands behind every addition, on the way of both: it changes what arrives, the 1 too.`
            : "Wherever the shortcut is dashed, something stands in the way of that 1; the block says what."
      }
      ${!sums && "Not every fork here is such a sum; each block says what it is instead."}
      Go through it step by step with <kbd>←</kbd> <kbd>→</kbd>, or click on a block.
    </p>
  </section>`;
}

const empty = (doc) => html`<section class="panel plain">
  <h2>This network has no blocks to step through</h2>
  ${doc.notes.map((note) => html`<p>${note}</p>`)}
  <p>
    The gradient is taken apart at blocks on the way from the input to the output: forks such as Residual, or the layers
    of a plain network. ${doc.loss !== null && html`The loss of this batch is ${num(doc, "loss")}.`}
  </p>
</section>`;

const controls = (last) => html`<nav class="controls" aria-label="Steps">
  <div class="phases" role="group" aria-label="Phase">
    ${["forward", "loss", "backward"].map((p) => html`<button type="button" data-phase="${p}">${p}</button>`)}
  </div>
  <button type="button" class="go" data-go="-1" aria-label="Previous step">◀</button>
  <input type="range" class="steps" min="0" max="${last}" value="0" aria-label="Step">
  <button type="button" class="go" data-go="1" aria-label="Next step">▶</button>
</nav>`;

const frame = (doc, last) => html`${head(doc)}${idea(doc)}${controls(last)}
  <div class="chain" role="group" aria-label="Blocks of the network"></div>
  <div class="columns">
    <section class="panel">
      <h2 class="title"></h2>
      <p class="say" aria-live="polite"></p>
      <div class="shown"></div>
    </section>
    ${!doc.plain && depthPanel(doc)}
    <aside>${charts(doc)}${doc.plain && depthPanel(doc)}</aside>
  </div>
  ${doc.notes.length > 0 && html`<section class="panel notes">
    ${doc.notes.map((note) => html`<p class="note">${note}</p>`)}
  </section>`}
  <section class="panel tables">${blockTable(doc)}${exactness(doc)}</section>
  <div class="meaning" role="status"></div>`;

function blockTable(doc) {
  const terms = [...new Set(doc.blocks.flatMap((block) => Object.keys(block.terms)))].sort(shortcutFirst);
  const columns = [
    ...["incoming_norm", "at_fork_norm"],
    ...terms.flatMap((name) => [`terms.${name}.norm`, `terms.${name}.share`]),
    ...["outgoing_norm", "cosine", "shortcut_scaling", "residual_ratio", "identity_norm", "identity_ratio"],
    ...["local_norm", "total_norm", "closure_error"],
  ];
  const explained = { share: "share", cosine: "cosine", identity: "alone" };
  const titles = columns.map((column) =>
    column.replace("terms.", "").split(/[._]/)
      .map((part) => [explained[part] ? word(explained[part], part) : part, " "]));
  const blocks = doc.blocks.map((block, l) => ({
    name: html`${l} <small>${block.path}</small>`,
    keys: columns.map((column) => `blocks.${l}.${column}`),
  }));
  const paths = doc.paths.lengths.map((k) => ({
    name: k,
    keys: ["counts", "norms", "projections"].map((column) => `paths.${column}.${k}`),
  }));
  return html`<details>
    <summary>All numbers</summary>
    ${table(doc, "Blocks", ["block", ...titles], blocks)}
    ${table(doc, "By depth", ["layer", "|dW|", "|dx|"], depthRows(doc, "depth"))}
    ${doc.against && table(doc, `By depth, ${doc.against.model}`, ["layer", "|dW|", "|dx|"],
      depthRows(doc, "against.depth"))}
    ${table(doc, "Path lengths", ["length", "paths", "norm", "part of g₀"], paths)}
  </details>`;
}

const depthRows = (doc, key) =>
  lookUp(doc, key).map(({ path, kind }, i) => ({
    name: html`${path} <small>${kind}</small>`,
    keys: [`${key}.${i}.dw`, `${key}.${i}.dx`],
  }));

const table = (doc, caption, heads, rows) => html`<div class="scroll" tabindex="0" role="region"
  aria-label="${caption}">
  <table>
    <caption>${caption}</caption>
    <thead><tr>${heads.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
    <tbody>${rows.map(
      ({ name, keys }) =>
        html`<tr><th scope="row">${name}</th>${keys.map((key) => html`<td>${num(doc, key)}</td>`)}</tr>`,
    )}</tbody>
  </table>
</div>`;

const exactness = (doc) => html`<p class="note">
  How exact: the terms of every fork add up to its gradient, and are derivatives of its forward, within
  ${num(doc, "closure_error")}; the telescoped sums give the gradient within ${num(doc, "telescope_error")}, the path
  lengths within ${num(doc, "path_error")} (relative).
</p>`;
