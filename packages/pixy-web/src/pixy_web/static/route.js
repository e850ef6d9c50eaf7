// The page's address: which picture is open, and what is searched for. All of it stands in the fragment, so no server
// and no proxy on the way logs it: `#/image/GUID?q=boats`.

// what the server and the form can take; an address that was typed or cut short may hold anything
const READABLE = {
  q: /\S/,
  visibility: /^(private|class|public)$/,
  mine: /^true$/,
  from: /^[12]\d{3}-\d\d-\d\d$/,
  until: /^[12]\d{3}-\d\d-\d\d$/,
};

/** Return the address of a picture, with the present search. */
export function pathOf(guid) {
  return `#/image/${guid}${searchText(readRoute().query)}`;
}

/** @returns {{guid: ?string, query: Object<string, string>}} What the address asks for. */
export function readRoute() {
  const [path, search = ""] = location.hash.split("?");
  return {
    guid: /^#\/image\/([0-9a-f-]{36})$/.exec(path)?.[1] ?? null,
    query: Object.fromEntries([...new URLSearchParams(search)].filter(isReadable)),
  };
}

function isReadable([name, value]) {
  const isDate = name === "from" || name === "until";
  return READABLE[name]?.test(value) && !(isDate && Number.isNaN(Date.parse(value)));
}

/** Return the address of a picture to give to others: without what the user happens to search for. */
export function shareableAddress(guid) {
  return new URL(`/#/image/${guid}`, location.href).href;
}

/** Fires `change` when the address asks for something else. */
export class Route extends EventTarget {
  #wasOpenedHere = false;

  constructor() {
    super();
    window.addEventListener("hashchange", () => {
      this.#wasOpenedHere = readRoute().guid !== null;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** Show another picture in place of the one that is open: going back still leads to the grid. */
  replaceImage(guid) {
    history.replaceState(null, "", pathOf(guid));
    this.dispatchEvent(new Event("change"));
  }

  /** Leave the open picture: back to where it was opened from, if that was here. */
  leaveImage() {
    if (readRoute().guid === null) return;
    if (this.#wasOpenedHere) history.back();
    else this.search(readRoute().query);
  }

  /** Search for something, with no picture open. */
  search(query) {
    history.replaceState(null, "", `#/${searchText(query)}`);
    this.dispatchEvent(new Event("change"));
  }
}

function searchText(query) {
  const text = new URLSearchParams(query).toString();
  return text && `?${text}`;
}
