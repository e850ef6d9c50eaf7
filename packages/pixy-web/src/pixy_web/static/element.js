// Builds elements without parsing markup from text, so that text can't inject markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. Attributes that are false, null or undefined are left out; functions listen.
 *
 * @param {string} tag
 * @param {Object<string, *>} attributes
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Make one of the icons that index.html defines. It is decorative: the name is next to it. */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  made.append(use);
  return made;
}

/** Return the element of the page that has this id. */
export function find(id) {
  return document.getElementById(id);
}

/** Shorten a text for a label; a prompt may have 32,000 characters. */
export function shorten(text, length = 160) {
  const line = text.replace(/\s+/g, " ").trim();
  if (line.length <= length) return line;
  // an emoji has two UTF-16 units: half of one is shown as a replacement character
  return `${line.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
