// What the JavaScript scripts read from their command line and print.

import { createHash } from "node:crypto";

export function readArguments() {
  const [action, text] = process.argv.slice(2);
  return [action, text ? JSON.parse(text) : {}];
}

export function describeImage(members) {
  const described = {};
  for (const name of ["guid", "url"]) if (members[name]) described[name] = members[name];
  if (members.b64_json) Object.assign(described, hash(Buffer.from(members.b64_json, "base64")));
  return described;
}

export function hash(content) {
  return { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
}

export async function report(act) {
  const [action, parameters] = readArguments();
  console.log(JSON.stringify(await act(action, parameters)));
}
