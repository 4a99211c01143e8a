/** Tables for terminals: columns as wide as their widest cell, numbers on the right, a line each. */

export type Cell = string | number;

/** Ends with a newline; without rows the titles alone, so that whoever asked sees that there are none. */
export function textTable(titles: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  const lines = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => String(line[column] ?? '').length)));
  const isNumber = titles.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  return lines
    .map((line) => {
      const cells = titles.map((_, column) => {
        const text = String(line[column] ?? '');
        return isNumber[column] ? text.padStart(widths[column] as number) : text.padEnd(widths[column] as number);
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
