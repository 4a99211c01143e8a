/**
 * Charts as SVG, by hand: bars with their spread, and lines on logarithmic axes. A chart brings its own background and
 * follows the reader's light or dark scheme.
 */

/**
 * @typedef {object} Bars
 * @property {'bars'} kind
 * @property {string} title
 * @property {string} unit
 * @property {string} column what stands above the medians in the summary
 * @property {{ label: string, isOurs: boolean, median: number, min: number, max: number }[]} bars
 *
 * @typedef {object} Lines
 * @property {'lines'} kind
 * @property {string} title
 * @property {string} unit
 * @property {string} xTitle
 * @property {{ label: string, isOurs: boolean, points: number[][] }[]} lines x and y, both above 0
 *
 * @typedef {Bars | Lines} Chart
 */

const WIDTH = 760;
const MARGIN = 16;
const LABELS = 180;
const ROW = 22;
const PLOT_HEIGHT = 220;

const STYLE = `
  .back { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e } .ours { fill: #0969da } .other { fill: #afb8c1 }
  .grid { stroke: #59636e } .spread { stroke: #1f2328 } .grid { opacity: .25 } .line { fill: none; stroke-width: 2 }
  .line.is-ours { stroke: #0969da; stroke-width: 3 } .line.is-other { stroke: #818b98 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .text { fill: #f0f6fc } .dim { fill: #9198a1 } .ours { fill: #4493f8 } .other { fill: #4b535d }
    .grid { stroke: #9198a1 } .spread { stroke: #f0f6fc } .line.is-ours { stroke: #4493f8 } .line.is-other { stroke: #818b98 }
  }
  text { font: 13px system-ui, sans-serif } .title { font-weight: 600; font-size: 15px } .end { text-anchor: end }
  .middle { text-anchor: middle }`;

/**
 * The file name of a section's chart.
 * @param {import('./report.js').Report} report
 * @param {string} name
 * @param {number} [index]
 */
export function chartFile(report, name, index = 0) {
  return `${report.date}-${name}${index > 0 ? `-${index + 1}` : ''}.svg`;
}

/**
 * One picture of one chart or more, one below the other.
 * @param {Chart[]} charts
 */
export function svg(charts) {
  let y = MARGIN;
  const bodies = charts.map((chart) => {
    const [body, height] = chart.kind === 'bars' ? bars(chart) : lines(chart);
    const placed = `<g transform="translate(0 ${y})">${body}</g>`;
    y += height + MARGIN;
    return placed;
  });
  const title = charts.map((chart) => `${chart.title}: ${chart.unit}`).join('; ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<rect class="back" width="100%" height="100%" rx="6"/>
${bodies.join('\n')}
</svg>
`;
}

/**
 * @param {Bars} chart
 * @returns {[body: string, height: number]}
 */
function bars({ title, unit, bars }) {
  const right = WIDTH - MARGIN - 60;
  const largest = Math.max(...bars.map(({ max }) => max), Number.MIN_VALUE);
  const x = (/** @type {number} */ value) => round(LABELS + (Math.max(0, value) / largest) * (right - LABELS));
  const rows = bars.map(({ label, isOurs, median, min, max }, i) => {
    const top = 48 + i * ROW;
    const middle = top + ROW / 2 - 2;
    return [
      text(LABELS - 8, top + 14, label, isOurs ? 'text end' : 'dim end'),
      `<rect class="${isOurs ? 'ours' : 'other'}" x="${LABELS}" y="${top}" width="${round(x(median) - LABELS)}" height="${ROW - 4}" rx="2"/>`,
      `<path class="spread" d="M${x(min)} ${middle}H${x(max)}M${x(min)} ${middle - 3}v6M${x(max)} ${middle - 3}v6"/>`,
      text(x(max) + 6, top + 14, short(median), 'text'),
    ].join('');
  });
  return [head(title, unit) + rows.join('\n'), 48 + bars.length * ROW];
}

/**
 * @param {Lines} chart
 * @returns {[body: string, height: number]}
 */
function lines({ title, unit, xTitle, lines }) {
  const all = lines.flatMap(({ points }) => points);
  const [x, xTicks] = axis(
    all.map(([value]) => value),
    60,
    WIDTH - 150,
    [1],
  );
  const [y, yTicks] = axis(
    all.map(([, value]) => value),
    48 + PLOT_HEIGHT,
    52,
    [1, 2, 5],
  );
  const bottom = 48 + PLOT_HEIGHT;
  const grid = [
    ...yTicks.map(
      (tick) =>
        `<path class="grid" d="M60 ${y(tick)}H${WIDTH - 150}"/>${text(52, y(tick) + 4, short(tick), 'dim end')}`,
    ),
    ...xTicks.map(
      (tick) =>
        `<path class="grid" d="M${x(tick)} 48V${bottom}"/>${text(x(tick), bottom + 18, short(tick), 'dim middle')}`,
    ),
    text((60 + WIDTH - 150) / 2, bottom + 36, xTitle, 'dim middle'),
  ];
  // Labels stand at the lines' ends, pushed apart where they would meet.
  const ends = lines
    .filter(({ points }) => points.length > 0)
    .map((line) => ({ line, at: y(line.points[line.points.length - 1][1]) }))
    .sort((a, b) => a.at - b.at);
  for (let i = 1; i < ends.length; i++) ends[i].at = Math.max(ends[i].at, ends[i - 1].at + 15);
  const drawn = ends.map(({ line: { label, isOurs, points }, at }) => {
    const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${x(px)} ${y(py)}`).join('');
    const dots = points.map(
      ([px, py]) => `<circle class="${isOurs ? 'ours' : 'dim'}" cx="${x(px)}" cy="${y(py)}" r="3"/>`,
    );
    const end = x(points[points.length - 1][0]) + 8;
    return `<path class="line ${isOurs ? 'is-ours' : 'is-other'}" d="${path}"/>${dots.join('')}${text(end, at + 4, label, isOurs ? 'text' : 'dim')}`;
  });
  return [head(title, unit) + grid.join('\n') + drawn.join('\n'), bottom + 40];
}

/**
 * A logarithmic axis: where a value stands, and its ticks (`steps` times powers of ten).
 * @param {number[]} values
 * @param {number} from
 * @param {number} to
 * @param {number[]} steps
 * @returns {[place: (value: number) => number, ticks: number[]]}
 */
function axis(values, from, to, steps) {
  const all = Array.from({ length: 13 }, (_, i) => steps.map((step) => step * 10 ** (i - 3))).flat();
  const low = Math.max(...all.filter((tick) => tick <= Math.min(...values)), all[0]);
  const high = Math.min(...all.filter((tick) => tick >= Math.max(...values)), all[all.length - 1]);
  const span = Math.log(high / low) || 1;
  const place = (/** @type {number} */ value) => round(from + (Math.log(value / low) / span) * (to - from));
  return [place, all.filter((tick) => tick >= low && tick <= high)];
}

/**
 * @param {string} title
 * @param {string} unit
 */
function head(title, unit) {
  return text(MARGIN, 14, title, 'text title') + text(MARGIN, 34, unit, 'dim');
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} style
 */
function text(x, y, content, style) {
  return `<text class="${style}" x="${round(x)}" y="${round(y)}">${escaped(content)}</text>`;
}

/** @param {number} value */
function short(value) {
  if (value >= 1_000_000) return `${Number((value / 1_000_000).toPrecision(3))}M`;
  if (value >= 10_000) return `${Number((value / 1_000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** @param {string} content */
function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
