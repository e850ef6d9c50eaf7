// Swipes of a finger to the left and right.

const FAR = 48; // pixels

/** Call `onStep` with 1 for a swipe to the left, which brings the next, and with -1 for one to the right. */
export function followSwipes(target, onStep) {
  let start = null;
  target.addEventListener("pointerdown", (event) => {
    start = event.pointerType === "touch" && event.isPrimary ? event : null;
  });
  target.addEventListener("pointercancel", () => (start = null));
  target.addEventListener("pointerup", (event) => {
    if (start === null || event.pointerId !== start.pointerId) return;
    const across = event.clientX - start.clientX;
    const down = event.clientY - start.clientY;
    start = null;
    if (Math.abs(across) > FAR && Math.abs(across) > 2 * Math.abs(down)) onStep(across < 0 ? 1 : -1);
  });
}
