// Charts of a report as SVG, drawn by hand: no script, no font and no file from outside. Lines and text take the colour of the page
// by its classes (`grid`, `axis`, `quiet`), so a chart is readable on light, on dark and on paper.

/** Colours of the series, apart also for those who do not tell red from green (Okabe and Ito), and on light and dark. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6bb1', '#7f7f7f'];
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

const WIDTH = 760;
const BAR_HEIGHT = 18;
const BAR_STEP = 26;
const LABEL_WIDTH = 220;
const VALUE_WIDTH = 150;
const AXIS_HEIGHT = 40;

/** Bars from left to right, one below the other, each with a whisker from the lowest to the highest; an open end is a lower bound. */
export function barChart(bars: readonly Bar[], unit: string, format: (value: number) => string): string {
  const ticks = linearTicks(Math.max(...bars.map((bar) => bar.highest), 1e-9));
  const most = ticks[ticks.length - 1];
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const x = (value: number): number => round(LABEL_WIDTH + (value / most) * room);
  const bottom = bars.length * BAR_STEP + 4;
  const grid = ticks.map(
    (t) =>
      `<path class="grid" d="M${x(t)} 0V${bottom}"/>` +
      `<text class="quiet" x="${x(t)}" y="${bottom + 15}" text-anchor="middle">${tickText(t)}</text>`,
  );
  const rows = bars.map((bar, i) => {
    const top = i * BAR_STEP + 6;
    const middle = top + BAR_HEIGHT / 2;
    const end = x(bar.value);
    const text = `${bar.limited ? '≥ ' : ''}${format(bar.value)} (${format(bar.lowest)}–${format(bar.highest)})`;
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(bar.label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${top}" width="${round(end - LABEL_WIDTH)}" height="${BAR_HEIGHT}" fill="${bar.colour}"/>`,
      bar.limited
        ? `<path d="M${end} ${top}l6 ${BAR_HEIGHT / 2}l-6 ${BAR_HEIGHT / 2}z" fill="${bar.colour}"/>`
        : '',
      whisker(x(bar.lowest), middle, x(bar.highest), middle),
      `<text x="${Math.max(x(bar.highest), end) + 12}" y="${middle + 4}">${escapeHtml(text)}</text>`,
    ].join('');
  });
  const axis = `<text class="quiet" x="${LABEL_WIDTH + room / 2}" y="${bottom + 32}" text-anchor="middle">${escapeHtml(unit)}</text>`;
  return svg(bottom + AXIS_HEIGHT, [...grid, ...rows, axis].join('\n'));
}

/** A point; a hollow one is doubtful; with `lowest` and `highest` it has a whisker. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly lowest?: number;
  readonly highest?: number;
  readonly hollow?: boolean;
}

export interface Series {
  readonly label: string;
  readonly colour: string;
  /** In the order of x. */
  readonly points: readonly Point[];
  /** Whether the points are joined. */
  readonly line: boolean;
  /** A dashed line and small points: the lesser figure of two of one device. */
  readonly dashed?: boolean;
}

export interface Axes {
  readonly x: string;
  readonly y: string;
  /** `log`: powers of ten; `log0`: powers of ten above a line for 0. Default: linear. */
  readonly scale?: 'log' | 'log0';
  /** A value on the y axis to mark, and what it is. */
  readonly mark?: { readonly y: number; readonly label: string };
}

const PLOT = { left: 66, top: 10, width: 500, height: 250 };
/** Between the line for 0 and the least power of ten, of a `log0` axis. */
const ZERO_GAP = 24;

/** Points over two axes; x begins at 0, so does y unless it is logarithmic. */
export function pointChart(series: readonly Series[], axes: Axes): string {
  const usable = (p: Point): boolean => Number.isFinite(p.y) && (axes.scale !== 'log' || p.y > 0);
  const all = series.flatMap((s) => s.points).filter(usable);
  if (all.length === 0) return '';
  const xTicks = linearTicks(Math.max(...all.map((p) => p.x)));
  const x = (v: number): number => round(PLOT.left + (v / xTicks[xTicks.length - 1]) * PLOT.width);
  const { ticks, place } = yAxis(all, axes);
  const y = (v: number): number => round(place(v));
  const bottom = PLOT.top + PLOT.height;
  const grid = [
    ...xTicks.map(
      (t) =>
        `<path class="grid" d="M${x(t)} ${PLOT.top}v${PLOT.height}"/>` +
        `<text class="quiet" x="${x(t)}" y="${bottom + 16}" text-anchor="middle">${tickText(t)}</text>`,
    ),
    ...ticks.map(
      (t) =>
        `<path class="grid" d="M${PLOT.left} ${y(t)}h${PLOT.width}"/>` +
        `<text class="quiet" x="${PLOT.left - 8}" y="${y(t) + 4}" text-anchor="end">${tickText(t)}</text>`,
    ),
    `<text class="quiet" x="${PLOT.left + PLOT.width / 2}" y="${bottom + 34}" text-anchor="middle">${escapeHtml(axes.x)}</text>`,
    `<text class="quiet" transform="translate(14 ${PLOT.top + PLOT.height / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(axes.y)}</text>`,
  ];
  if (axes.mark !== undefined) {
    const at = y(axes.mark.y);
    grid.push(
      `<path class="axis" stroke-dasharray="4 4" d="M${PLOT.left} ${at}h${PLOT.width}"/>` +
        `<text class="quiet" x="${PLOT.left + 6}" y="${at - 4}">${escapeHtml(axes.mark.label)}</text>`,
    );
  }
  const drawn = series.map((s, i) => {
    const points = s.points.filter(usable);
    const path = points.map((p, k) => `${k === 0 ? 'M' : 'L'}${x(p.x)} ${y(p.y)}`).join('');
    const dash = s.dashed === true ? ' stroke-dasharray="5 4"' : '';
    const legend = PLOT.top + 12 + i * 19;
    return [
      s.line ? `<path d="${path}" stroke="${s.colour}" fill="none" stroke-width="1.5"${dash}/>` : '',
      ...points.map((p) =>
        p.lowest === undefined || p.highest === undefined
          ? ''
          : whisker(x(p.x), y(p.lowest), x(p.x), y(p.highest)),
      ),
      ...points.map(
        (p) =>
          `<circle cx="${x(p.x)}" cy="${y(p.y)}" r="${s.dashed === true ? 2.5 : 3.5}" stroke="${s.colour}" fill="${p.hollow === true ? 'none' : s.colour}"/>`,
      ),
      `<path d="M${PLOT.left + PLOT.width + 12} ${legend - 4}h18" stroke="${s.colour}" stroke-width="3"${dash}/>`,
      `<text x="${PLOT.left + PLOT.width + 36}" y="${legend}">${escapeHtml(s.label)}</text>`,
    ].join('');
  });
  return svg(bottom + AXIS_HEIGHT + 4, [...grid, ...drawn].join('\n'));
}

interface YAxis {
  readonly ticks: readonly number[];
  readonly place: (value: number) => number;
}

function yAxis(all: readonly Point[], { scale, mark }: Axes): YAxis {
  const bottom = PLOT.top + PLOT.height;
  const values = all.flatMap((p) => [p.y, p.lowest ?? p.y, p.highest ?? p.y]);
  if (mark !== undefined) values.push(mark.y);
  const above = values.filter((v) => v > 0);
  if (scale === undefined || above.length === 0) {
    const ticks = linearTicks(Math.max(...values));
    return { ticks, place: (v) => bottom - (v / ticks[ticks.length - 1]) * PLOT.height };
  }
  const ticks = logTicks(Math.min(...above), Math.max(...above));
  const foot = scale === 'log0' ? ZERO_GAP : 0;
  const low = Math.log10(ticks[0]);
  const high = Math.log10(ticks[ticks.length - 1]);
  const place = (v: number): number =>
    v <= 0
      ? bottom
      : bottom - foot - ((Math.log10(Math.max(v, ticks[0])) - low) / (high - low)) * (PLOT.height - foot);
  return { ticks: scale === 'log0' ? [0, ...ticks] : ticks, place };
}

/** From end to end, with a short stroke across each. */
function whisker(x1: number, y1: number, x2: number, y2: number): string {
  const across = (x: number, y: number): string => (x1 === x2 ? `M${x - 4} ${y}h8` : `M${x} ${y - 4}v8`);
  return `<path class="axis" d="M${x1} ${y1}L${x2} ${y2}${across(x1, y1)}${across(x2, y2)}"/>`;
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

const tickText = (value: number): string => (value >= 10_000 ? `${value / 1000}k` : String(value));
const round = (value: number): number => Math.round(value * 10) / 10;

const svg = (height: number, inside: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${WIDTH} ${height}">\n${inside}\n</svg>`;
