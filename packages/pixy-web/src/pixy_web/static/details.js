// What stands beside the picture in the viewer: what is known of it, and what can be done with it.

import { contentPath } from "./api.js";
import { AUDIENCES } from "./audiences.js";
import { element, find, shorten } from "./element.js";
import { explain } from "./problem.js";
import { shareableAddress } from "./route.js";

const BYTES = new Intl.NumberFormat(undefined, { style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

export class Details {
  #root = find("details");
  #image = null;

  constructor({ api, session, collection, deletions, composer, route, messages }) {
    Object.assign(this, { api, session, collection, deletions, composer, route, messages });
    find("copy-link").addEventListener("click", () => this.#copyLink());
    find("download").addEventListener("click", (event) => this.#download(event));
    find("use-prompt").addEventListener("click", () => this.#usePrompt());
    find("delete").addEventListener("click", () => this.#delete());
    this.#addAudiences();
  }

  show(image) {
    const isOther = image.guid !== this.#image?.guid;
    this.#image = image;
    this.#root.hidden = false;
    find("viewer-prompt").textContent = image.prompt;
    const isOwner = this.session.username !== null && image.owner === this.session.username;
    find("facts").replaceChildren(...listFacts(image, isOwner).flatMap(toTerm));
    find("sharing").hidden = find("delete").hidden = !isOwner;
    for (const choice of find("sharing").querySelectorAll("input")) choice.checked = choice.value === image.visibility;
    const download = find("download");
    download.href = contentPath(image.guid);
    download.download = fileName(image);
    if (isOther) this.#root.scrollTop = 0;
  }

  hide() {
    this.#image = null;
    this.#root.hidden = true;
  }

  #addAudiences() {
    for (const [visibility, { name, meaning }] of Object.entries(AUDIENCES)) {
      const choice = element("input", { type: "radio", name: "audience", value: visibility });
      choice.addEventListener("change", () => this.#share(visibility));
      const words = element("span", {}, element("strong", {}, name), element("small", {}, meaning));
      find("sharing").append(element("label", { class: "audience" }, choice, words));
    }
  }

  async #share(visibility) {
    const before = this.#image;
    try {
      this.collection.put(await this.api.change(before.guid, visibility));
      this.messages.tell(`${AUDIENCES[visibility].name}: ${AUDIENCES[visibility].meaning}`);
    } catch (error) {
      this.messages.tell(explain(error));
      if (this.#image?.guid === before.guid) this.show(before);
    }
  }

  async #copyLink() {
    const address = shareableAddress(this.#image.guid);
    const { meaning } = AUDIENCES[this.#image.visibility];
    const note = this.#image.visibility === "public" ? "Everyone who has it sees the picture." : meaning;
    const isCopied = await copy(address, find("copy-link"));
    this.messages.tell(isCopied ? `Link copied. ${note}` : `Copy this link: ${address}`);
  }

  /** Download what only fetch may ask for; what is public is a plain link. */
  async #download(event) {
    if (this.#image.visibility === "public") return;
    event.preventDefault();
    const image = this.#image;
    try {
      const url = URL.createObjectURL(await this.api.content(image));
      element("a", { href: url, download: fileName(image) }).click();
      // the download has begun when this task is over
      setTimeout(() => URL.revokeObjectURL(url));
    } catch (error) {
      this.messages.tell(explain(error));
    }
  }

  #usePrompt() {
    const { prompt, width, height, visibility } = this.#image;
    this.#leaveAnd(() => this.composer.begin({ prompt, size: `${width}x${height}`, visibility }));
  }

  #delete() {
    const image = this.#image;
    this.#leaveAnd(() => this.deletions.schedule(image));
  }

  /** Close the viewer, which the browser does in its own time, and then go on. */
  #leaveAnd(goOn) {
    this.route.addEventListener("change", goOn, { once: true });
    this.route.leaveImage();
  }
}

function listFacts(image, isOwner) {
  const origin = image.generator === "sketch" ? `${image.model}, the offline sketch generator` : image.model;
  return [
    ["Made", DATE.format(new Date(image.created_at))],
    ["By", image.owner],
    ["Size", `${image.width} × ${image.height}, ${BYTES.format(image.size / 1000)}`],
    ["Model", origin],
    ["Shown to", isOwner ? null : AUDIENCES[image.visibility].shownTo],
  ].filter(([, value]) => value);
}

function toTerm([name, value]) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

/** Return a name for the downloaded file that tells what it shows. */
function fileName({ prompt, media_type: mediaType }) {
  const words = shorten(prompt, 60).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["picture"];
  return `${words.join("-")}.${mediaType.split("/")[1]}`;
}

/** Copy a text; `near` is an element of the dialog that is open, where a selection is allowed. */
async function copy(text, near) {
  // browsers have no clipboard for pages that come over plain HTTP from another machine
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const field = element("input", { value: text, readonly: true, class: "hidden" });
  near.after(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  near.focus();
  return isCopied;
}
