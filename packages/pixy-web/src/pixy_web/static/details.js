// The panel next to the picture in the viewer: its details and actions.

import { contentPath, isAborted } from "./api.js";
import { AUDIENCES } from "./audiences.js";
import { copy } from "./clipboard.js";
import { element, find, shorten } from "./element.js";
import { explain } from "./problem.js";
import { shareableAddress } from "./route.js";

const BYTES = new Intl.NumberFormat(undefined, { style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

export class Details {
  /** Called with the guid and the problem if the picture does not exist any more. */
  onGone = () => {};
  #root = find("details");
  #image = null;
  #isWhole = false;

  constructor({ api, session, collection, deletions, composer, route, messages }) {
    Object.assign(this, { api, session, collection, deletions, composer, route, messages });
    find("whole-prompt").addEventListener("click", () => {
      this.#showPrompt(!this.#isWhole);
      // the text below has disappeared, so scroll back to the prompt
      if (!this.#isWhole) find("viewer-prompt").scrollIntoView({ block: "nearest" });
    });
    new ResizeObserver(() => this.#offerWhole()).observe(find("viewer-prompt"));
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
    if (isOther) this.#showPrompt(false);
    const isOwner = this.session.username !== null && image.owner === this.session.username;
    find("facts").replaceChildren(...listFacts(image, isOwner).flatMap(toTerm));
    find("sharing").hidden = find("delete").hidden = !isOwner;
    for (const choice of find("sharing").querySelectorAll("input")) choice.checked = choice.value === image.visibility;
    const download = find("download");
    download.href = contentPath(image.guid);
    download.download = fileName(image);
    if (isOther) this.#root.scrollTop = 0;
  }

  /** Remove everything that was shown. */
  hide() {
    this.#image = null;
    this.#root.hidden = true;
    find("viewer-prompt").textContent = "";
    find("facts").replaceChildren();
    find("download").removeAttribute("href");
    find("download").removeAttribute("download");
  }

  /** Fold a long prompt, so that the actions stay near. */
  #showPrompt(isWhole) {
    this.#isWhole = isWhole;
    find("viewer-prompt").classList.toggle("whole", isWhole);
    find("whole-prompt").setAttribute("aria-expanded", String(isWhole));
    find("whole-prompt").textContent = isWhole ? "Show less" : "Show the whole prompt";
    this.#offerWhole();
  }

  #offerWhole() {
    const { scrollHeight, clientHeight } = find("viewer-prompt");
    find("whole-prompt").hidden = !this.#isWhole && scrollHeight <= clientHeight;
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
      this.#tellFault(before, error);
      if (this.#image?.guid === before.guid) this.show(before);
    }
  }

  async #copyLink() {
    const address = shareableAddress(this.#image.guid);
    const { meaning } = AUDIENCES[this.#image.visibility];
    const note = this.#image.visibility === "public" ? "Everyone who has the link can see the picture." : meaning;
    const isCopied = await copy(address, find("copy-link"));
    this.messages.tell(isCopied ? `Link copied. ${note}` : `Copy this link: ${address}`);
  }

  /** Download a file that is not public with fetch; a public one has a plain link. */
  async #download(event) {
    if (this.#image.visibility === "public") return;
    event.preventDefault();
    const image = this.#image;
    try {
      const url = URL.createObjectURL(await this.api.content(image));
      element("a", { href: url, download: fileName(image) }).click();
      // the download has started when this task ends
      setTimeout(() => URL.revokeObjectURL(url));
    } catch (error) {
      this.#tellFault(image, error);
    }
  }

  #tellFault({ guid }, error) {
    if (isAborted(error)) return;
    if (error.code === "record_not_found") this.onGone(guid, error);
    else this.messages.tell(explain(error));
  }

  #usePrompt() {
    const { prompt } = this.#image;
    const size = sizeOf(this.#image);
    this.#leaveAnd(() => this.composer.begin({ prompt, size }));
  }

  #delete() {
    const image = this.#image;
    this.#leaveAnd(() => this.deletions.schedule(image));
  }

  /** Close the viewer, which is asynchronous in browsers, and then continue. */
  #leaveAnd(goOn) {
    this.route.addEventListener("change", goOn, { once: true });
    this.route.leaveImage();
  }
}

/** Return the size for a picture of the same shape: its own size, if the API accepts it. */
function sizeOf({ width, height }) {
  const [short, long] = width < height ? [width, height] : [height, width];
  const isTaken = width % 16 === 0 && height % 16 === 0 && long <= 3 * short && long <= 3840 && short <= 2160;
  return isTaken ? `${width}x${height}` : "auto";
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

/** Return a name for the downloaded file, made from its prompt. */
function fileName({ prompt, media_type: mediaType }) {
  const words = shorten(prompt, 60).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["picture"];
  return `${words.join("-")}.${mediaType.split("/")[1]}`;
}
