/* Elements, made in one call, and the controls that the live parts share. */
(() => {
  "use strict";

  if (globalThis.elements) return;

  function build(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const html = (tag, attributes = {}, ...children) =>
    build(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => build(
    document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // A button. Off, it is not disabled: a disabled button would lose the focus.
  function button(name, press) {
    const node = html("button", { type: "button", class: "live-button" }, name);
    node.addEventListener("click", () => {
      if (node.getAttribute("aria-disabled") !== "true") press();
    });
    node.turn = (on) => node.setAttribute("aria-disabled", !on);
    return node;
  }

  // Radio buttons that look like keys: one stop for Tab, arrows between them.
  function choice(title, names, chosen, pick) {
    const group = `live-${title}`.replaceAll(" ", "-");
    const labels = names.map((name, i) => {
      const input = html("input", { type: "radio", name: group, value: i });
      input.checked = i === chosen;
      input.addEventListener("change", () => pick(i));
      return html("label", { class: "live-key" }, input, html("span", {}, name));
    });
    return html("fieldset", { class: "live-choice" },
      html("legend", {}, title), html("div", {}, ...labels));
  }

  // A slider whose value is told in words, on the page and to screen readers.
  function slider(title, range, words, move) {
    const input = html("input", { type: "range", ...range });
    // Not an <output>: the label would belong to that instead of the slider.
    const value = html("b", { class: "live-value", "aria-hidden": "true" });
    const tell = () => {
      value.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", value.textContent);
    };
    input.addEventListener("input", () => {
      tell();
      move(Number(input.value));
    });
    tell();
    return html("label", { class: "live-slider" },
      html("span", {}, title), value, input);
  }

  // A line for what is wrong, announced when it appears; and the control that
  // is to blame.
  function complaint(id, control = null) {
    const line = html("p", { class: "live-error", role: "alert", id });
    control?.setAttribute("aria-describedby", id);
    line.say = (text = "") => {
      if (line.textContent !== text) line.textContent = text;
      control?.setAttribute("aria-invalid", Boolean(text));
    };
    return line;
  }

  // A bar and its number beside it, the largest of its kind in full width.
  function bar(probability, top, digits) {
    const fill = html("i", { class: "live-fill" });
    fill.style.setProperty("--share", probability / top);
    return html("span", { class: "live-bar" }, fill,
      html("span", {}, probability.toFixed(digits)));
  }

  const controls = (...nodes) => html("div", { class: "live-controls" }, ...nodes);

  globalThis.elements = { html, svg, button, choice, slider, complaint, bar, controls };
})();
