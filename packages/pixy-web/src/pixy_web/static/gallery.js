// The public images, page by page, through the public API. Credentials stay out: this is what a stranger sees.

const state = document.querySelector("#state");
const list = document.querySelector("#images");
const more = document.querySelector("#more");

function show(image) {
  const item = list.appendChild(document.createElement("li"));
  const link = item.appendChild(document.createElement("a"));
  const figure = link.appendChild(document.createElement("figure"));
  const picture = figure.appendChild(document.createElement("img"));
  const caption = figure.appendChild(document.createElement("figcaption"));
  link.href = picture.src = `/image/${image.guid}/content`;
  picture.loading = "lazy";
  picture.width = image.width;
  picture.height = image.height;
  picture.alt = image.prompt;
  caption.textContent = image.prompt;
  if (image.generator === "sketch") {
    item.appendChild(document.createElement("small")).textContent = "Drawn by the offline sketch generator";
  }
}

async function load(url) {
  const response = await fetch(url, { credentials: "omit" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  (await response.json()).forEach(show);
  const next = /<([^>]*)>; rel="next"/.exec(response.headers.get("Link") ?? "");
  more.hidden = !next;
  more.onclick = () => loadOrTell(next[1]);
  state.hidden = list.children.length > 0;
  state.textContent = "No public images yet.";
}

async function loadOrTell(url) {
  try {
    await load(url);
  } catch (error) {
    state.hidden = false;
    state.textContent = `The images can't be shown: ${error.message}.`;
  }
}

loadOrTell("/image?limit=48");
