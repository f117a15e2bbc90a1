// How numbers are written on the pages that keep them up to date.

export function size(count) {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  const digits = unit ? 1 : 0;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${count.toLocaleString("en", shape)} ${units[unit]}`;
}
