/** The dashboard's files, read once: after a chroot there are none to read. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

const own = [
  'index.html',
  'style/theme.css',
  'style/base.css',
  'style/page.css',
  'style/tile.css',
  'style/chart.css',
  'style/table.css',
  'style/list.css',
  'style/control.css',
  'main.js',
  'stream.js',
  'kept.js',
  'certificates.js',
  'charts.js',
  'tables.js',
  'servers.js',
  'actions.js',
  'events.js',
  'frames.js',
  'losses.js',
  'rates.js',
  'format.js',
  'icon.svg',
];

/** By path. Throws if the installation is not whole. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const folder = dashboardFolder();
  const assets = new Map<string, Asset>();
  for (const name of own) assets.set(`/${name}`, asset(name, new URL(name, folder)));
  const chart = createRequire(import.meta.url)
    .resolve('uplot/package.json')
    .replace(/package\.json$/, 'dist/');
  assets.set('/uplot.js', asset('uplot.js', `${chart}uPlot.esm.js`));
  assets.set('/uplot.css', asset('uplot.css', `${chart}uPlot.min.css`));
  assets.set('/', assets.get('/index.html') as Asset);
  return assets;
}

function asset(name: string, file: URL | string): Asset {
  return { type: types[name.split('.').pop() ?? ''] ?? 'application/octet-stream', bytes: readFileSync(file) };
}

/** `dashboard/` beside the nearest package.json above this file. */
function dashboardFolder(): URL {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL('package.json', folder)) && folder.pathname !== '/') folder = new URL('../', folder);
  return new URL('dashboard/', folder);
}
