// What the JavaScript scripts read from their command line and print.

import { createHash } from "node:crypto";

export function describeImage(members) {
  const described = {};
  for (const name of ["guid", "url"]) if (members[name]) described[name] = members[name];
  if (members.b64_json) Object.assign(described, hash(Buffer.from(members.b64_json, "base64")));
  return described;
}

export function hash(content) {
  return { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
}

// makes the calls of the command line, one after the other, and prints what each got
export async function report(act) {
  const reports = [];
  for (const [action, given] of JSON.parse(process.argv[2])) reports.push(await act(action, given));
  console.log(JSON.stringify(reports));
}
