// Connects the modules of the page, which uses only the public API.

import { Account } from "./account.js";
import { Api } from "./api.js";
import { ApiKeys } from "./apikeys.js";
import { Arrivals } from "./arrivals.js";
import { Collection } from "./collection.js";
import { Composer } from "./composer.js";
import { Creations } from "./creations.js";
import { Deletions } from "./deletions.js";
import { Details } from "./details.js";
import { find } from "./element.js";
import { Grid } from "./grid.js";
import { Messages } from "./messages.js";
import { Pixels } from "./pixels.js";
import { fade } from "./preview.js";
import { Route, readRoute } from "./route.js";
import { Search } from "./search.js";
import { Session } from "./session.js";
import { State } from "./state.js";
import { Viewer } from "./viewer.js";
import { Works } from "./works.js";

const session = new Session();
const api = new Api(session);
const route = new Route();
const messages = new Messages(find("messages"));
// before other modules report the change
session.addEventListener("change", () => messages.clear());
const collection = new Collection(api, session);
const pixels = new Pixels(api, session);
const creations = new Creations(api, session, fade);
const composer = new Composer(find("composer"), creations, session);
const deletions = new Deletions({ api, session, collection, messages });
const grid = new Grid(find("grid"), find("end"), collection, pixels, session);
const details = new Details({ api, session, collection, deletions, composer, route, messages });
const viewer = new Viewer({ api, collection, pixels, route, session, grid, details, messages });
const search = new Search(find("search"), route);
const account = new Account({ api, session, messages });
new ApiKeys(api, session);
new Arrivals({ creations, collection, messages, session });
new Works({ root: find("works"), creations, composer, messages });
new State(collection, session);

let searched = null;
let searcher = session.username;

/** Load the images of the address, unless they are shown already. */
function followSearch() {
  const { query } = readRoute();
  search.fill();
  const wanted = JSON.stringify(query);
  if (wanted === searched) return;
  // show a search result from its top
  if (searched !== null) window.scrollTo({ top: 0 });
  searched = wanted;
  collection.load(toParameters(query));
}

function startOver({ detail }) {
  searched = null;
  const { username } = session;
  // a sign-out removes the search words; after a lost session they are kept for the same user
  const isOthers = username === null ? !detail.rejected : searcher !== null && searcher !== username;
  if (username !== null || !detail.rejected) searcher = username;
  // only a user has own pictures
  const { q, from, until } = isOthers ? {} : readRoute().query;
  if (username === null || isOthers) route.search(withoutGaps({ q, from, until }));
  else followSearch();
}

function toParameters({ q, visibility, mine, from, until }) {
  const after = from && new Date(`${from}T00:00`).toISOString();
  const before = until && new Date(`${until}T24:00`).toISOString();
  return withoutGaps({ q: q && whileTyping(q), visibility, mine, created_after: after, created_before: before });
}

/** Search for the last word as a prefix, because the user may still be typing it. */
function whileTyping(words) {
  return /[\p{L}\p{N}]$/u.test(words) ? `${words}*` : words;
}

function withoutGaps(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value));
}

route.addEventListener("change", followSearch);
session.addEventListener("change", startOver);
find("skip").addEventListener("click", (event) => {
  event.preventDefault();
  grid.focus();
});
account.show();
followSearch();
viewer.follow();
creations.resume();
