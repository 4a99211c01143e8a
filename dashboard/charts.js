/** The two charts: new connections stacked by server, and bytes both ways. */
import { byId, bytes, clock, make, rate, setText } from './format.js';
import { read } from './stream.js';
import uPlot from './uplot.js';

const COLORS = 8;
/** Steps of an axis of bytes: 1, 2 and 5 hundred of a unit would be odd numbers of the next. */
const BYTE_STEPS = Array.from({ length: 44 }, (_, bits) => 2 ** bits);
/** Room for a time of day under the chart, the widest there is. */
const LABEL_PX = 56;
/** Points drawn; over an hour each stands for ten seconds. */
const STEP = new Map([
  [300, 1],
  [3600, 10],
]);

/**
 * @typedef {object} Series
 * @property {number[]} times
 * @property {number[]} sent
 * @property {number[]} received
 * @property {number[][]} servers
 */

/** Which colour a row of the server table has. @param {number | string} server */
export function colorOf(server) {
  return typeof server === 'number' ? String(server % COLORS) : '';
}

export class Charts {
  /** @type {Series} */
  #series = { times: [], sent: [], received: [], servers: [] };
  #seconds = 300;
  #what = 'connections';
  /** Frames since the last point, where a point stands for several. */
  #frames = 0;
  /** @type {string[]} */
  #names = [];
  /** @type {uPlot | undefined} */
  #connects;
  /** @type {uPlot | undefined} */
  #bytes;

  constructor() {
    for (const button of document.querySelectorAll('.range button')) {
      button.addEventListener(
        'click',
        () => void this.show(Number(/** @type {HTMLElement} */ (button).dataset.seconds)),
      );
    }
    new ResizeObserver(() => this.#resize()).observe(byId('connects'));
  }

  /** Fetches and draws that many seconds. @param {number} seconds */
  async show(seconds) {
    this.#seconds = seconds;
    for (const button of document.querySelectorAll('.range button')) {
      const isThis = Number(/** @type {HTMLElement} */ (button).dataset.seconds) === seconds;
      button.setAttribute('aria-pressed', String(isThis));
    }
    this.#series = await read(`api/v1/history?seconds=${seconds}&step=${STEP.get(seconds)}`);
    this.#frames = 0;
    this.#draw();
  }

  /**
   * @param {Series} point one point of each
   * @param {{ server: number | string, address: string }[]} servers
   * @param {string} what they count
   */
  add(point, servers, what) {
    this.#what = what;
    setText(byId('connects-title'), `New ${what}`);
    const names = servers
      .filter(({ server }) => typeof server === 'number')
      .map(({ server, address }) => `${server} ${address}`);
    const isRenamed = names.join() !== this.#names.join();
    this.#names = names;
    const { times } = this.#series;
    if (point.times.length === 0 || point.times[0] === times.at(-1)) return;
    if (STEP.get(this.#seconds) !== 1) {
      // Means of ten seconds are made by pen.
      this.#frames += 1;
      if (this.#frames >= 10) void this.show(this.#seconds);
      return;
    }
    const oldest = /** @type {number} */ (point.times[0]) - this.#seconds;
    while (times.length > 0 && /** @type {number} */ (times[0]) < oldest) {
      for (const row of [times, this.#series.sent, this.#series.received, ...this.#series.servers]) row.shift();
    }
    point.servers.forEach((_, server) => {
      this.#series.servers[server] ??= times.map(() => 0);
    });
    times.push(/** @type {number} */ (point.times[0]));
    this.#series.sent.push(point.sent[0] ?? 0);
    this.#series.received.push(point.received[0] ?? 0);
    this.#series.servers.forEach((row, server) => {
      row.push(point.servers[server]?.[0] ?? 0);
    });
    this.#draw(isRenamed);
  }

  /** Anew, with the colours of the theme. */
  recolor() {
    this.#draw(true);
  }

  /** @param {boolean} [fromScratch] */
  #draw(fromScratch = false) {
    const { times, sent, received, servers } = this.#series;
    const count = servers.length;
    if (fromScratch || !this.#connects || this.#connects.series.length !== count + 1) this.#build(count);
    // Stacked: each layer is the sum of those below, and the highest is drawn first.
    const layers = servers.map((_, top) =>
      times.map((_, at) => servers.slice(0, top + 1).reduce((sum, row) => sum + (row[at] ?? 0), 0)),
    );
    this.#connects?.setData([times, ...layers.reverse()]);
    this.#bytes?.setData([times, received, sent]);
    this.#read(this.#connects, times.length - 1);
    this.#read(this.#bytes, times.length - 1);
  }

  /** @param {number} servers */
  #build(servers) {
    this.#connects?.destroy();
    this.#bytes?.destroy();
    // A canvas takes no light-dark(); as the colour of an element it has become the one that holds.
    const probe = byId('connects').appendChild(make('i', {}));
    const color = (/** @type {string} */ name) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const layers = Array.from({ length: servers }, (_, place) => {
      const stroke = color(`--s${(servers - 1 - place) % COLORS}`);
      return {
        stroke,
        fill: `color-mix(in srgb, ${stroke} 45%, ${color('--card')})`,
        width: 1.5,
        points: { show: false },
      };
    });
    const lines = ['--s1', '--s0'].map((name) => ({
      stroke: color(name),
      fill: `color-mix(in srgb, ${color(name)} 10%, transparent)`,
      width: 1.75,
      points: { show: false },
    }));
    this.#connects = this.#chart('connects', layers, (value) => rate(value), color);
    this.#bytes = this.#chart('bytes', lines, (value) => bytes(value), color);
    probe.remove();
  }

  /**
   * @param {string} id
   * @param {uPlot.Series[]} series
   * @param {(value: number) => string} label
   * @param {(name: string) => string} color
   */
  #chart(id, series, label, color) {
    const box = byId(id);
    const axis = {
      stroke: color('--quiet'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    return new uPlot(
      {
        width: box.clientWidth,
        height: box.clientHeight,
        padding: [12, 4, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 28,
            space: 80,
            values: (chart, times) => {
              // One that stands at the right edge would be cut off there.
              const end = chart.bbox.width / devicePixelRatio - LABEL_PX / 2;
              const text = (/** @type {number} */ time) => clock(time * 1000).slice(0, this.#seconds > 600 ? 5 : 8);
              return times.map((time) => (chart.valToPos(time, 'x') > end ? '' : text(time)));
            },
          },
          {
            ...axis,
            size: 68,
            space: 40,
            ...(id === 'bytes' ? { incrs: BYTE_STEPS } : {}),
            values: (_, values) => values.map(label),
          },
        ],
        series: [{}, ...series],
        hooks: { setCursor: [(chart) => this.#read(chart, chart.cursor.idx ?? this.#series.times.length - 1)] },
      },
      [[], ...series.map(() => [])],
      box,
    );
  }

  /** The figures at one point, as text above the chart and for those who cannot see it. @param {uPlot | undefined} chart @param {number} at */
  #read(chart, at) {
    const time = this.#series.times[at];
    if (!chart || time === undefined) return;
    const isConnects = chart === this.#connects;
    const { servers, sent, received } = this.#series;
    const parts = isConnects
      ? servers
          .slice(0, COLORS)
          .map((row, server) => /** @type {const} */ ([colorOf(server), `${server}: ${rate(row[at] ?? 0)}`]))
      : [
          /** @type {const} */ (['0', `to servers ${bytes(sent[at] ?? 0)}`]),
          /** @type {const} */ (['1', `to clients ${bytes(received[at] ?? 0)}`]),
        ];
    byId(isConnects ? 'connects-readout' : 'bytes-readout').replaceChildren(
      ...parts.map(([color, text]) => make('span', {}, make('span', { class: 'swatch', 'data-color': color }), text)),
    );
    const what = isConnects ? `New ${this.#what} per second by server` : 'Bytes per second';
    byId(isConnects ? 'connects' : 'bytes').setAttribute(
      'aria-label',
      `${what} at ${clock(time * 1000)}: ${parts.map(([, text]) => text).join(', ')}`,
    );
  }

  #resize() {
    for (const [id, chart] of /** @type {const} */ ([
      ['connects', this.#connects],
      ['bytes', this.#bytes],
    ])) {
      const { clientWidth: width, clientHeight: height } = byId(id);
      if (width > 0) chart?.setSize({ width, height });
    }
  }
}
