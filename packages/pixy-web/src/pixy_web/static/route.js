// The page's address: the open picture and the search. All of it is in the fragment, so no server
// and no proxy on the way logs it: `#/image/GUID?q=boats`.

// values that the server and the form accept; an address that was typed or cut may contain anything
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

/** @returns {{guid: ?string, query: Object<string, string>}} The open picture and the search. */
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

/** Return the address of a picture for sharing, without the user's search. */
export function shareableAddress(guid) {
  return new URL(`/#/image/${guid}`, location.href).href;
}

/** Fires `change` when the address changes. */
export class Route extends EventTarget {
  #wasOpenedHere = false;

  constructor() {
    super();
    window.addEventListener("hashchange", () => {
      this.#wasOpenedHere = readRoute().guid !== null;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** Replace the open picture with another one: going back still leads to the grid. */
  replaceImage(guid) {
    history.replaceState(null, "", pathOf(guid));
    this.dispatchEvent(new Event("change"));
  }

  /** Leave the open picture: go back to the grid if it was opened from there. */
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
