// Calls of openai-node, with its defaults: openai_node.mjs [[ACTION, ARGUMENTS], ...].
// The base URL and the key come from the environment, as in any program that uses it.

import { createReadStream } from "node:fs";
import OpenAI, { toFile } from "openai";
import { describeImage, report } from "./report.mjs";

const ACTIONS = {
  async generate(client, { parameters }) {
    return describe(await client.images.generate(parameters).withResponse());
  },
  async edit(client, given) {
    const files = await openFiles(given);
    return describe(await client.images.edit({ ...files, ...given.parameters }).withResponse());
  },
  async stream(client, { parameters }) {
    return collect(await client.images.generate({ ...parameters, stream: true }));
  },
  async stream_edit(client, given) {
    const files = await openFiles(given);
    return collect(await client.images.edit({ ...files, ...given.parameters, stream: true }));
  },
  async models(client) {
    const models = [];
    for await (const model of client.models.list()) models.push(model);
    return { models };
  },
  async model(client, { model }) {
    return { models: [await client.models.retrieve(model)] };
  },
};

await report(async (action, given) => {
  const options = {};
  if (given.api_key) options.apiKey = given.api_key;
  if (given.timeout) options.timeout = given.timeout * 1000;
  try {
    return await ACTIONS[action](new OpenAI(options), given);
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    const { status, code, type, param, message, requestID } = error;
    const kind = error.constructor.name;
    return { error: { class: kind, status, code, type, param, message, request_id: requestID } };
  }
});

// as its documentation opens them: one by itself as a stream, several with their media type
async function openFiles({ images, mask }) {
  const open = (path) => toFile(createReadStream(path), null, { type: "image/png" });
  const image = images.length === 1 ? createReadStream(images[0]) : await Promise.all(images.map(open));
  return mask ? { image, mask: await open(mask) } : { image };
}

function describe({ data, request_id }) {
  const { output_format, quality, size } = data;
  const members = { output_format, quality, size };
  return { images: data.data.map(describeImage), usage: data.usage, members, request_id };
}

async function collect(stream) {
  const events = [];
  for await (const event of stream) {
    const { type, partial_image_index, usage } = event;
    events.push({ type, partial_image_index, usage, ...describeImage(event) });
  }
  return { events };
}
