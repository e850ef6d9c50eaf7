// How long a picture usually takes, as measured in this browser.

import { read, write } from "./storage.js";

const STORED = "pixy.durations";
const REMEMBERED = 7;

/** The default in seconds, without measurements: providers take 8 to 130 (docs/api.md). */
const DEFAULT = 40;

/** Return the usual duration in seconds, and whether it was measured: the median of the last few. */
export function usualDuration(kind) {
  const measured = read("localStorage", STORED)?.[kind] ?? [];
  if (measured.length === 0) return { seconds: DEFAULT, isMeasured: false };
  return { seconds: measured.toSorted((a, b) => a - b)[measured.length >> 1], isMeasured: true };
}

/**
 * Remember how long a picture took.
 *
 * @param {string} kind Size and quality, which determine the duration.
 * @param {string} model The model. Durations of another model are removed.
 * @param {number} seconds
 */
export function rememberDuration(kind, model, seconds) {
  const stored = read("localStorage", STORED);
  const durations = stored?.model === model ? stored : { model };
  durations[kind] = [...(durations[kind] ?? []), seconds].slice(-REMEMBERED);
  write("localStorage", STORED, durations);
}

/** Return a duration in seconds, in words. */
export function inWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
