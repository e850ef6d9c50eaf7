// Runs of n8n's OpenAI node for images: n8n_node.mjs [["generate" or "edit", ARGUMENTS], ...].
// The operation and the HTTP client are n8n's own; of its workflow engine only the parameters of the
// node, its credentials and its input files are handed in.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { hash, report } from "./report.mjs";

const require = createRequire(import.meta.url);
const { Container } = require("@n8n/di");
const { OutboundHttp } = require("@n8n/backend-network");
// the package exports no part of a node
const OPERATIONS = new URL(
  "../node_modules/@n8n/n8n-nodes-langchain/dist/nodes/vendors/OpenAi/v2/actions/image/",
  import.meta.url,
);

await report(async (action, { version, parameters, files = {} }) => {
  const { execute } = require(new URL(`${action}.operation.js`, OPERATIONS).pathname);
  const [url, key] = [process.env.OPENAI_BASE_URL, process.env.OPENAI_API_KEY];
  const http = Container.get(OutboundHttp).requests();
  const contents = [];
  const context = {
    getNode: () => ({ typeVersion: version }),
    getNodeParameter: (name, _item, fallback) => parameters[name] ?? fallback,
    getCredentials: async () => ({ apiKey: key, url }),
    helpers: {
      requestWithAuthentication: (_type, { body, headers, ...options }) =>
        http.requestLegacy(
          { ...options, ...(body && { body }), headers: { ...headers, Authorization: `Bearer ${key}` } },
          {},
        ),
      assertBinaryData: (_item, name) => ({ mimeType: "image/png", fileName: basename(files[name]) }),
      getBinaryDataBuffer: (_item, name) => readFile(files[name]),
      binaryToBuffer: async (content) => content,
      prepareBinaryData: async (content) => contents.push(hash(content)),
    },
  };
  try {
    const items = await execute.call(context, 0);
    return { images: contents.length ? contents : items.map(({ json }) => ({ url: json.url })) };
  } catch (error) {
    return { error: { status: error.statusCode, ...error.error?.error, class: error.name } };
  }
});
