// Charts of a report as SVG, drawn by hand: no script, no font and no file from outside.

/** Colours of the series, apart also for those who do not tell red from green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
export const colour = (i: number): string => COLOURS[i % COLOURS.length];

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** A bar with its spread; `limited` marks a figure that is a lower bound. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly lowest: number;
  readonly highest: number;
  readonly limited: boolean;
  readonly colour: string;
}

const WIDTH = 720;
const BAR_HEIGHT = 22;
const LABEL_WIDTH = 230;
const VALUE_WIDTH = 150;

/** Bars from left to right, one below the other, each with a whisker from the lowest to the highest. */
export function barChart(bars: readonly Bar[], format: (value: number) => string): string {
  const most = Math.max(...bars.map((bar) => bar.highest), 1e-9);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const x = (value: number): number => round(LABEL_WIDTH + (value / most) * room);
  const rows = bars.map((bar, i) => {
    const top = i * (BAR_HEIGHT + 8) + 4;
    const middle = top + BAR_HEIGHT / 2;
    const text = `${bar.limited ? '≥ ' : ''}${format(bar.value)} (${format(bar.lowest)}–${format(bar.highest)})`;
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(bar.label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${top}" width="${round(x(bar.value) - LABEL_WIDTH)}" height="${BAR_HEIGHT}" fill="${bar.colour}"/>`,
      `<path d="M${x(bar.lowest)} ${middle}H${x(bar.highest)}M${x(bar.lowest)} ${middle - 5}v10M${x(bar.highest)} ${middle - 5}v10" stroke="#000" fill="none"/>`,
      `<text x="${x(bar.highest) + 8}" y="${middle + 4}">${escapeHtml(text)}</text>`,
    ].join('');
  });
  return svg(bars.length * (BAR_HEIGHT + 8) + 8, rows.join('\n'));
}

export interface Series {
  readonly label: string;
  readonly colour: string;
  /** Points in the order of x; a hollow one is doubtful. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly hollow?: boolean }[];
  /** Whether the points are joined. */
  readonly line: boolean;
}

export interface Axes {
  readonly x: string;
  readonly y: string;
  /** Powers of ten on the y axis. */
  readonly logY?: boolean;
}

const PLOT = { left: 70, top: 12, width: 480, height: 260 };

/** Points over two axes that begin at 0; on a logarithmic y axis at the power of ten below the least value. */
export function pointChart(series: readonly Series[], axes: Axes): string {
  const all = series
    .flatMap((s) => s.points)
    .filter((p) => Number.isFinite(p.y) && (axes.logY !== true || p.y > 0));
  if (all.length === 0) return '';
  const xTicks = linearTicks(Math.max(...all.map((p) => p.x)));
  const ys = all.map((p) => p.y);
  const yTicks =
    axes.logY === true ? logTicks(Math.min(...ys), Math.max(...ys)) : linearTicks(Math.max(...ys));
  const scaleY = axes.logY === true ? Math.log10 : (v: number): number => v;
  const [yLow, yHigh] = [scaleY(yTicks[0]), scaleY(yTicks[yTicks.length - 1])];
  const xHigh = xTicks[xTicks.length - 1];
  const x = (v: number): number => round(PLOT.left + (v / xHigh) * PLOT.width);
  const y = (v: number): number =>
    round(PLOT.top + PLOT.height - ((scaleY(v) - yLow) / (yHigh - yLow || 1)) * PLOT.height);
  const grid = [
    ...xTicks.map(
      (t) =>
        `<path d="M${x(t)} ${PLOT.top}v${PLOT.height}" stroke="#ddd"/>` +
        `<text x="${x(t)}" y="${PLOT.top + PLOT.height + 18}" text-anchor="middle">${tickText(t)}</text>`,
    ),
    ...yTicks.map(
      (t) =>
        `<path d="M${PLOT.left} ${y(t)}h${PLOT.width}" stroke="#ddd"/>` +
        `<text x="${PLOT.left - 8}" y="${y(t) + 4}" text-anchor="end">${tickText(t)}</text>`,
    ),
    `<text x="${PLOT.left + PLOT.width / 2}" y="${PLOT.top + PLOT.height + 38}" text-anchor="middle">${escapeHtml(axes.x)}</text>`,
    `<text transform="translate(16 ${PLOT.top + PLOT.height / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(axes.y)}</text>`,
  ];
  const drawn = series.map((s, i) => {
    const points = s.points.filter((p) => Number.isFinite(p.y) && (axes.logY !== true || p.y > 0));
    const path = points.map((p, k) => `${k === 0 ? 'M' : 'L'}${x(p.x)} ${y(p.y)}`).join('');
    const dots = points.map(
      (p) =>
        `<circle cx="${x(p.x)}" cy="${y(p.y)}" r="3.5" stroke="${s.colour}" fill="${p.hollow === true ? '#fff' : s.colour}"/>`,
    );
    const legend = PLOT.top + 14 + i * 20;
    return [
      s.line ? `<path d="${path}" stroke="${s.colour}" fill="none" stroke-width="1.5"/>` : '',
      ...dots,
      `<rect x="${PLOT.left + PLOT.width + 14}" y="${legend - 10}" width="12" height="12" fill="${s.colour}"/>`,
      `<text x="${PLOT.left + PLOT.width + 32}" y="${legend}">${escapeHtml(s.label)}</text>`,
    ].join('');
  });
  return svg(PLOT.top + PLOT.height + 48, [...grid, ...drawn].join('\n'));
}

/** Round numbers from 0 to at least `most`, about five of them. */
export function linearTicks(most: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) =>
    Number((i * step).toPrecision(12)),
  );
}

/** Powers of ten that enclose the values. */
export function logTicks(least: number, most: number): number[] {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  return Array.from({ length: to - from + 1 }, (_, i) => Number((10 ** (from + i)).toPrecision(6)));
}

const tickText = (value: number): string => (value >= 1000 ? `${value / 1000}k` : String(value));
const round = (value: number): number => Math.round(value * 10) / 10;

const svg = (height: number, inside: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
  `font-family="system-ui, sans-serif" font-size="12">\n${inside}\n</svg>`;
