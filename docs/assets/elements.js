/* Elements, made in one call: what the live parts share. */
(() => {
  "use strict";

  function build(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  globalThis.elements = {
    html: (tag, attributes = {}, ...children) =>
      build(document.createElement(tag), attributes, children),
    svg: (tag, attributes = {}, ...children) => build(
      document.createElementNS("http://www.w3.org/2000/svg", tag), attributes,
      children),
  };
})();
