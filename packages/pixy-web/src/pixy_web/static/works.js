// The pictures being made, on the page: how far each is, and what to do about one that failed.

import { progressOf } from "./creations.js";
import { element, icon, shorten } from "./element.js";
import { Preview } from "./preview.js";
import { explain } from "./problem.js";

export class Works {
  #root;
  #creations;
  #composer;
  #messages;
  #items = new Map();
  #clock = 0;

  constructor({ root, creations, composer, messages }) {
    [this.#root, this.#creations, this.#composer, this.#messages] = [root, creations, composer, messages];
    creations.addEventListener("change", () => this.#update());
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
    clearInterval(this.#clock);
    if (list.some((creation) => creation.fault === null)) this.#clock = setInterval(() => this.#tick(), 1000);
    this.#tick();
    for (const { preview } of this.#items.values()) preview?.update();
  }

  #add(creation) {
    const item = creation.fault ? this.#makeFault(creation) : makeProgress(creation);
    item.fault = creation.fault;
    this.#items.set(creation, item);
    this.#root.prepend(item.root);
    if (creation.fault) this.#messages.announce(item.root.querySelector(".fault").textContent);
  }

  #tick() {
    for (const { tick } of this.#items.values()) tick?.();
  }

  #makeFault(creation) {
    const { fault } = creation;
    const button = (label, act) => element("button", { class: "quiet", type: "button", click: act }, label);
    const edit = () => {
      this.#creations.dismiss(creation);
      this.#composer.begin(creation.wanted);
    };
    const actions = element("div", { class: "choices" }, button("Edit the prompt", edit));
    const again = fault.isPaid
      ? button("Make it again, and pay again", () => this.#creations.buyAgain(creation))
      : button("Try again", () => this.#creations.retry(creation));
    if (fault.code !== "prompt_rejected") actions.append(again);
    const dismiss = button("", () => this.#creations.dismiss(creation));
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.append(icon("close"));
    actions.append(dismiss);
    const advice = fault.isUnknown ? " Look among your pictures in a minute before you make it again." : "";
    const words = element("p", { class: "fault" }, explain(fault) + advice);
    return { root: element("li", { class: "work failed" }, promptOf(creation), words, actions) };
  }
}

function makeProgress(creation) {
  const bar = element("progress", { max: 1, "aria-label": `Making: ${shorten(creation.wanted.prompt, 80)}` });
  const words = element("p", { class: "time" });
  const preview = new Preview(creation);
  const root = element("li", { class: "work" }, preview.root, promptOf(creation), bar, words);
  const tick = () => {
    const { elapsed, usual } = progressOf(creation);
    // nobody knows how far the provider is: past the usual time the bar only says that it still works
    if (elapsed < usual.seconds) bar.value = elapsed / usual.seconds;
    else bar.removeAttribute("value");
    words.textContent = `${inWords(elapsed)} ${comparison(elapsed, usual)}`;
  };
  return { root, tick, preview };
}

function promptOf({ wanted }) {
  return element("p", { class: "prompt" }, shorten(wanted.prompt));
}

function comparison(elapsed, { seconds, isMeasured }) {
  if (elapsed >= seconds) return "so far, longer than usual. You can go on looking around.";
  return `so far; ${isMeasured ? "the last ones took" : "it usually takes"} about ${inWords(seconds)}.`;
}

function inWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
