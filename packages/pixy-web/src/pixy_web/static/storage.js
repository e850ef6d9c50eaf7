// The browser's storage for this page. If it is blocked, reading returns null.

/**
 * Return what is stored under a name, or null.
 *
 * @param {"localStorage" | "sessionStorage"} kind
 * @param {string} name
 */
export function read(kind, name) {
  try {
    return JSON.parse(window[kind].getItem(name));
  } catch {
    // a browser that blocks storage throws a SecurityError as soon as it is accessed
    return null;
  }
}

/** Store a value under a name; null removes it. */
export function write(kind, name, value) {
  try {
    if (value === null) window[kind].removeItem(name);
    else window[kind].setItem(name, JSON.stringify(value));
  } catch {
    // blocked, or full: the page works without
  }
}
