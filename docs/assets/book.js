/* What the theme leaves to do: copied code that runs, places that a keyboard
   reaches, names that a screen reader says. Nothing is fetched. */
(() => {
  "use strict";

  const all = (selector) => [...document.querySelectorAll(selector)];

  // Copying

  const indented = (line) => /^\s/.test(line);

  // A >>> session without its prompts and outputs. Python's own prompt wants a
  // blank line where a block ends.
  function typed(text) {
    const lines = [];
    let before = ""; // the prompt of the line before
    for (const line of [...text.split("\n"), ""]) {
      const [, prompt = "", code = ""] =
        line.match(/^(>>>|\.\.\.)(?: (.*))?$/) || [];
      if (before === "..." && prompt !== "..." && lines[lines.length - 1]) {
        lines.push("");
      }
      before = prompt === ">>>" || before ? prompt : "";
      if (before) lines.push(code);
    }
    return lines.join("\n") + "\n";
  }

  // Python's own prompt takes an empty line for the end of a block: those
  // inside one get their indentation, and where it ends one is put.
  function pasteable(text) {
    const lines = text.trimEnd().split("\n");
    const out = [];
    let quoted = false; // inside a text in three quotes
    let before = "";
    lines.forEach((line, i) => {
      if (!quoted && line.trim() === "") {
        const next = lines.slice(i).find((one) => one.trim());
        out.push(next.match(/^\s*/)[0]);
        return;
      }
      const goesOn = /^([)\]}]|else\b|elif\b|except\b|finally\b)/.test(line);
      if (!quoted && indented(before) && !indented(line) && !goesOn
          && out[out.length - 1].trim()) {
        out.push("");
      }
      out.push(line);
      quoted = quoted !== (line.split('"""').length % 2 === 0);
      before = line;
    });
    return out.join("\n") + (indented(before) ? "\n\n" : "\n");
  }

  function copied(code) {
    const language = code.closest(".highlight").className;
    return code.closest(".numbered") ? code.textContent // the file as it is
      : language.includes("language-pycon") ? typed(code.textContent)
      : language.includes("language-python") ? pasteable(code.textContent)
      : `${code.textContent.trim()}\n`;
  }

  // Before the theme's own listener, which takes this text if it is there.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-clipboard-target]");
    const code = button
      && document.querySelector(button.dataset.clipboardTarget);
    if (code && code.closest(".highlight")) {
      button.dataset.clipboardText = copied(code);
    }
  }, true);

  // Outputs have no button, and neither have excerpts, which may be a part of a
  // class: each chapter ends with its whole cell to paste. A comment names them.
  const excerpts = all(".highlighttable .code code");
  const isExcerpt = (block) => {
    if (block.querySelector(".highlighttable")) return true;
    let node = block.previousSibling;
    while (node && node.nodeType === Node.TEXT_NODE) node = node.previousSibling;
    return node && node.nodeType === Node.COMMENT_NODE
      && node.data.startsWith(" excerpt");
  };
  all(".highlight").filter((block) => isExcerpt(block)
      || !/language-(pycon|python|bash)/.test(block.className))
    .forEach((block) => block.classList.add("no-copy"));

  // Where each line begins, and before which the first of an excerpt stands:
  // long lines wrap by it on phones and on paper.
  for (const line of all(".highlight code > span[id]")) {
    const blanks = line.textContent.search(/\S/);
    if (blanks > 0) line.style.setProperty("--in", blanks);
  }
  for (const code of excerpts) {
    const first = code.querySelector("span[id]").id.split("-").pop();
    code.style.setProperty("--before", first - 1);
  }

  // In the page of the whole file, #softmax and #L233 lead to their lines.
  const file = document.querySelector(".numbered");
  const toLine = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const [, line] = name.match(/^L(\d+)$/) || [];
    const link = all("li a[href^='#__span']")
      .find((one) => one.textContent === name);
    if (line) location.replace(`#__span-0-${line}`);
    else if (link) location.replace(link.hash);
  };
  if (file) {
    window.addEventListener("hashchange", toLine);
    toLine();
  }

  // Access

  // Names for what the theme leaves without one.
  const search = document.querySelector(".md-search");
  if (search) {
    search.setAttribute("aria-label", "Search");
    // A dash before a word means "without" there: here it begins an option.
    search.addEventListener("keyup", ({ target }) => {
      const plain = target.value.replace(/(^|\s)-+(?=\w)/g, "$1");
      if (plain !== target.value) target.value = plain;
    }, true);
  }
  // A corner of a table is no header.
  for (const corner of all("th:empty")) {
    corner.replaceWith(document.createElement("td"));
  }

  // What scrolls sideways can be reached by Tab.
  const SCROLLS = ":is(.md-typeset__scrollwrap, .highlight pre > code, .scrolls)"
    + ":not([data-scrolls])";
  const reachable = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) {
        target.tabIndex = 0;
      } else {
        target.removeAttribute("tabindex");
      }
    }
  });
  // The theme adds buttons, and frames around tables, when it gets to it.
  const added = () => {
    for (const nav of all(".md-code__nav:not([role])")) {
      nav.setAttribute("role", "none"); // a landmark for each block is too many
    }
    for (const place of all(SCROLLS)) {
      place.dataset.scrolls = "";
      reachable.observe(place);
    }
  };
  added();
  new MutationObserver(added)
    .observe(document.body, { childList: true, subtree: true });

  // On paper nothing is folded, and ink is dark.
  const unfolded = [];
  const { dataset } = document.body;
  let scheme;
  window.addEventListener("beforeprint", () => {
    scheme = dataset.mdColorScheme;
    dataset.mdColorScheme = "default";
    for (const details of all("details:not([open])")) {
      details.open = true;
      unfolded.push(details);
    }
  });
  window.addEventListener("afterprint", () => {
    dataset.mdColorScheme = scheme;
    for (const details of unfolded.splice(0)) details.open = false;
  });

  // A formula stays on one line: no break beside its signs.
  const formula = / ([=≈≠<>≤≥·×÷+−→]) (?=\S)|(?<=log|exp) (?=\w\b|\()/g;
  const texts = document.createTreeWalker(
    document.querySelector(".md-content") || document.body,
    NodeFilter.SHOW_TEXT, (node) => (node.parentElement.closest(
      "pre, code, svg, script, style, .live") ? NodeFilter.FILTER_REJECT
      : NodeFilter.FILTER_ACCEPT));
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const kept = node.data.replace(/\n/g, " ")
      .replace(formula, (_, sign) => (sign ? `\u00a0${sign}\u00a0` : "\u00a0"));
    if (kept.includes("\u00a0") && kept !== node.data) node.data = kept;
  }

  // Where we are in microgpt.py: the excerpt on the screen, and its place.
  const strip = document.querySelector(".map-strip");
  if (strip && excerpts.length) {
    const parts = excerpts.map((code) => {
      const ids = [...code.querySelectorAll(":scope > span[id]")]
        .map((span) => Number(span.id.split("-").pop()));
      return { code, first: ids[0], last: ids[ids.length - 1] };
    });
    const bar = strip.querySelector("nav > div");
    const where = strip.querySelector("nav > p");
    const total = Number(strip.firstElementChild.dataset.lines);
    const mark = document.createElement("i");
    bar.append(mark);
    strip.hidden = false;
    for (const cell of bar.querySelectorAll("a")) {
      const [from, to] = [cell.dataset.first, cell.dataset.last].map(Number);
      cell.classList.toggle("is-here",
        parts.some(({ first, last }) => first <= to && last >= from));
    }
    const show = () => {
      const passed = parts.filter(({ code }) =>
        code.getBoundingClientRect().top < window.innerHeight / 2);
      const { first, last } = passed[passed.length - 1] || parts[0];
      mark.style.left = `${100 * (first - 1) / total}%`;
      mark.style.width = `${100 * (last - first + 1) / total}%`;
      where.textContent = `microgpt.py, lines ${first} to ${last} of ${total}`;
    };
    document.addEventListener("scroll", show, { passive: true });
    show();
  }
})();
