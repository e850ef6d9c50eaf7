// Calls of LangChain's tool for images, with its defaults: langchain_node.mjs [["generate", ARGUMENTS], ...].
// The key comes from the environment; the tool takes the base URL as an argument only.

import { DallEAPIWrapper } from "@langchain/openai";
import { describeImage, report } from "./report.mjs";

await report(async (_, given) => {
  const { prompt, ...fields } = given.parameters;
  if (given.api_key) fields.apiKey = given.api_key;
  const tool = new DallEAPIWrapper({ baseUrl: process.env.OPENAI_BASE_URL, ...fields });
  try {
    const result = await tool.invoke(prompt);
    const isText = tool.dallEResponseFormat === "b64_json";
    const found = Array.isArray(result) ? result.map((item) => item.image_url.url ?? item.image_url) : [result];
    return { images: found.map((text) => describeImage(isText ? { b64_json: text } : { url: text })) };
  } catch (error) {
    const { status, code, type, param, message, requestID } = error;
    const kind = error.constructor.name;
    return { error: { class: kind, status, code, type, param, message, request_id: requestID } };
  }
});
