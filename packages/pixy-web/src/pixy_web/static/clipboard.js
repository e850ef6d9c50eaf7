// Copying text to the clipboard.

import { element } from "./element.js";

/** Copy a text; `near` is an element of the dialog that is open, where a selection is allowed. */
export async function copy(text, near) {
  // browsers disable the clipboard for pages from other machines over plain HTTP
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const field = element("input", { value: text, readonly: true, class: "hidden" });
  near.after(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  near.focus();
  return isCopied;
}
