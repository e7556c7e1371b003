/* Below each excerpt with a line that is recorded: a link that opens the first
   of them in "Step through it". stepLines is made: see docs/make/step.py. */
(() => {
  "use strict";

  const page = new URL("../step.html", document.currentScript.src).href;
  const recorded = (line) => (globalThis.stepLines || [])
    .some(([first, last]) => first <= line && line <= last);
  for (const code of document.querySelectorAll(".highlighttable .code code")) {
    const line = [...code.querySelectorAll(":scope > span[id]")]
      .map((span) => Number(span.id.split("-").pop())).find(recorded);
    if (line) {
      const place = document.createElement("p"), link = document.createElement("a");
      place.className = "step-link";
      link.href = `${page}#line-${line}`;
      link.textContent = "step through this";
      place.append(link);
      code.closest(".highlight").after(place);
    }
  }
})();
