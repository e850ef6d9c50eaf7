// The justified layout of pictures in rows that fill the width. Pure arithmetic.

// wider or higher pictures are cropped on the grid, never in the viewer
const FLATTEST = 2.6;
const STEEPEST = 0.55;

/**
 * @typedef {{first: number, end: number, top: number, height: number}} Row Indices of pictures, and pixels.
 * @typedef {{left: number, top: number, width: number, height: number}} Box Pixels.
 */

/** Return the height that rows should have on a page of a width, and the gap between pictures. */
export function measure(width) {
  return width < 600
    ? { gap: 6, wanted: Math.max(150, width / 2.1) }
    : { gap: 10, wanted: Math.min(290, Math.max(200, width / 5.2)) };
}

/**
 * Justify pictures into rows.
 *
 * @param {number[]} ratios Width over height of each picture.
 * @param {number} width Pixels of a row.
 * @param {boolean} isComplete Whether there are no more pictures: else a last row that isn't full is held back,
 *     because it would change when they come.
 * @returns {{rows: Row[], boxes: Box[], height: number}}
 */
export function justify(ratios, width, isComplete) {
  const { gap, wanted } = measure(width);
  const clamped = ratios.map((ratio) => Math.min(FLATTEST, Math.max(STEEPEST, ratio || 1)));
  const layout = { rows: [], boxes: [], height: 0 };
  let first = 0;
  while (first < clamped.length) {
    const { end, height, isFull } = fillRow(clamped, first, width, wanted, gap);
    if (!isFull && !isComplete) break;
    // a last row that isn't full is as high as the one above
    const top = layout.height;
    const rowHeight = isFull ? height : Math.min(height, layout.rows.at(-1)?.height ?? wanted);
    addRow(layout, clamped, { first, end, top, height: rowHeight }, isFull ? width : null, gap);
    first = end;
  }
  layout.height = Math.max(0, layout.height - gap);
  return layout;
}

/** Choose the number of pictures from `first` on whose row height is nearest to the wanted one. */
function fillRow(ratios, first, width, wanted, gap) {
  let sum = 0;
  let before = Infinity;
  for (let end = first; end < ratios.length; end += 1) {
    sum += ratios[end];
    const height = (width - gap * (end - first)) / sum;
    if (height <= wanted) {
      const isNearer = end > first && before - wanted < wanted - height;
      return isNearer ? { end, height: before, isFull: true } : { end: end + 1, height, isFull: true };
    }
    before = height;
  }
  return { end: ratios.length, height: before, isFull: false };
}

function addRow(layout, ratios, row, width, gap) {
  const height = Math.round(row.height);
  let left = 0;
  for (let index = row.first; index < row.end; index += 1) {
    const isLast = index === row.end - 1 && width !== null;
    const boxWidth = isLast ? width - left : Math.round(ratios[index] * row.height);
    layout.boxes.push({ left, top: row.top, width: boxWidth, height });
    left += boxWidth + gap;
  }
  layout.rows.push({ ...row, height });
  layout.height = row.top + height + gap;
}

/** Return the indices of the first row that ends below a height, and of the first that begins below another. */
export function rowsBetween(rows, from, to) {
  return [
    firstRow(rows, (row) => row.top + row.height >= from),
    firstRow(rows, (row) => row.top > to),
  ];
}

function firstRow(rows, isBeyond) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBeyond(rows[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
