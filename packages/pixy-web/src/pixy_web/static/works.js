// The list of pending and failed pictures on the page: progress, and actions for failures.

import { progressOf } from "./creations.js";
import { inWords } from "./durations.js";
import { element, find, icon, shorten } from "./element.js";
import { Preview } from "./preview.js";
import { describe, explain } from "./problem.js";

const NARROW = matchMedia("(max-width: 760px)");

export class Works {
  #root;
  #creations;
  #composer;
  #messages;
  #items = new Map();
  #clock = 0;
  #isWhole = false;

  constructor({ root, creations, composer, messages }) {
    [this.#root, this.#creations, this.#composer, this.#messages] = [root, creations, composer, messages];
    creations.addEventListener("change", () => this.#update());
    NARROW.addEventListener("change", () => this.#limit());
    find("more-works").addEventListener("click", () => {
      this.#isWhole = true;
      this.#limit();
      this.#root.querySelector(".failed button")?.focus();
    });
  }

  #update() {
    const { list } = this.#creations;
    let hadFocus = false;
    for (const [creation, item] of this.#items) {
      if (list.includes(creation) && creation.fault === item.fault) continue;
      hadFocus ||= item.root.contains(document.activeElement);
      item.root.remove();
      this.#items.delete(creation);
    }
    for (const creation of list.toReversed()) {
      if (!this.#items.has(creation)) this.#add(creation);
    }
    if (hadFocus) this.#composer.focus();
    this.#root.hidden = list.length === 0;
    this.#limit();
    clearInterval(this.#clock);
    if (list.length > 0) this.#clock = setInterval(() => this.#tick(), 1000);
    this.#tick();
    for (const { preview } of this.#items.values()) preview?.update();
  }

  #add(creation) {
    const item = creation.fault ? this.#makeFault(creation) : this.#makeProgress(creation);
    item.fault = creation.fault;
    this.#items.set(creation, item);
    this.#root.prepend(item.root);
    if (creation.fault) this.#messages.announce(item.root.querySelector(".fault").textContent);
  }

  #limit() {
    const failed = [...this.#root.querySelectorAll(".failed")];
    // the others are shown on request, so that the pictures stay in view
    const few = NARROW.matches ? 1 : 3;
    if (failed.length <= few) this.#isWhole = false;
    const shown = this.#isWhole ? failed.length : few;
    failed.forEach((root, index) => (root.hidden = index >= shown));
    find("more-works").hidden = failed.length <= shown;
    find("more-works").textContent = `Show ${failed.length - shown} more that failed`;
  }

  #tick() {
    for (const { tick } of this.#items.values()) tick();
  }

  #makeFault(creation) {
    const { fault } = creation;
    const edit = () => {
      this.#creations.dismiss(creation);
      this.#composer.begin(creation.wanted);
    };
    const actions = element("div", { class: "choices" }, makeButton("Edit the prompt", edit));
    const again = fault.isPaid
      ? makeButton("Make it again, and pay again", () => this.#creations.buyAgain(creation))
      : makeButton("Try again", () => this.#creations.retry(creation));
    if (fault.code !== "prompt_rejected") actions.append(again);
    const dismiss = makeButton(icon("close"), () => this.#creations.dismiss(creation));
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.classList.add("dismiss");
    const advice = fault.isUnknown ? " Check your pictures in a minute before you make it again." : "";
    const words = element("p", { class: "fault" });
    // it shows the seconds until the next try
    const tick = () => setText(words, explain(fault) + advice);
    tick();
    return { root: element("li", { class: "work failed" }, promptOf(creation), words, actions, dismiss), tick };
  }

  #makeProgress(creation) {
    const bar = element("progress", { max: 1, "aria-label": `Making: ${shorten(creation.wanted.prompt, 80)}` });
    const words = element("p", { class: "time" });
    const cancel = makeButton("Cancel", () => this.#creations.cancel(creation));
    const actions = element("div", { class: "choices" }, cancel);
    const preview = new Preview(creation);
    const root = element("li", { class: "work" }, preview.root, promptOf(creation), bar, words, actions);
    const tick = () => {
      const { elapsed, usual } = progressOf(creation);
      // the provider's progress is unknown: after the usual time the bar only shows that it is still working
      if (elapsed < usual.seconds && creation.trouble === null) bar.value = elapsed / usual.seconds;
      else bar.removeAttribute("value");
      bar.hidden = creation.trouble !== null && creation.guid === null;
      setText(words, creation.trouble ? tellTrouble(creation) : `${inWords(elapsed)} ${compare(elapsed, usual)}`);
      actions.hidden = creation.trouble === null || creation.guid !== null || creation.isAsking;
    };
    return { root, tick, preview };
  }
}

function makeButton(content, act) {
  return element("button", { class: "quiet", type: "button", click: act }, content);
}

function promptOf({ wanted }) {
  return element("p", { class: "prompt", dir: "auto" }, shorten(wanted.prompt));
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function tellTrouble({ trouble, askAt, isAsking }) {
  const seconds = Math.ceil((askAt - Date.now()) / 1000);
  const when = isAsking || seconds <= 0 ? "now" : `in ${inWords(seconds)}`;
  return `${describe(trouble)} Trying again ${when}.`;
}

function compare(elapsed, { seconds, isMeasured }) {
  if (elapsed >= seconds) return "so far, longer than usual. You can go on looking around.";
  return `so far; ${isMeasured ? "the last ones took" : "it usually takes"} about ${inWords(seconds)}.`;
}
