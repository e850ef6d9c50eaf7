// Calls of the Vercel AI SDK, with its defaults: ai_sdk.mjs [[ACTION, ARGUMENTS], ...].
// The base URL and the key come from the environment, as in any program that uses it.

import { readFile } from "node:fs/promises";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateImage, RetryError } from "ai";
import { hash, report } from "./report.mjs";

await report(async (action, given) => {
  const openai = createOpenAI(given.api_key ? { apiKey: given.api_key } : {});
  const { model, prompt, n, size, ...openaiOptions } = given.parameters;
  try {
    const result = await generateImage({
      model: openai.image(model),
      prompt: action === "edit" ? await readFiles(prompt, given) : prompt,
      n,
      size,
      providerOptions: { openai: openaiOptions },
      abortSignal: given.timeout && AbortSignal.timeout(given.timeout * 1000),
    });
    const images = result.images.map((image) => hash(Buffer.from(image.uint8Array)));
    return { images, usage: result.usage, request_id: result.responses[0].headers["x-request-id"] };
  } catch (error) {
    const attempts = RetryError.isInstance(error) ? error.errors.length : 1;
    const last = RetryError.isInstance(error) ? error.lastError : error;
    const { code, type, param, message } = (APICallError.isInstance(last) && last.data?.error) || last;
    const kind = last.name;
    return { error: { class: kind, status: last.statusCode, code, type, param, message, attempts } };
  }
});

async function readFiles(text, { images, mask }) {
  const contents = await Promise.all(images.map((path) => readFile(path)));
  return { text, images: contents, ...(mask ? { mask: await readFile(mask) } : {}) };
}
