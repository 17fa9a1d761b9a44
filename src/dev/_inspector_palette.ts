/** A colour by day and by night. */
export type ColorPair = readonly [light: string, dark: string];

/**
 * The colours of the page. Texts have a contrast of 4.5 to 1 at least to what
 * they stand on, and what has a meaning 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11):
 * `tests/dev/inspector_page_test.ts` measures it.
 */
export const PALETTE = {
  page: ["#f4f5f8", "#0c0f14"],
  surface: ["#ffffff", "#131820"],
  raised: ["#eef0f5", "#1c232e"],
  chosen: ["#e4e9ff", "#1e2745"],
  line: ["#dfe3eb", "#242c38"],
  text: ["#171b24", "#e7ebf2"],
  muted: ["#565f70", "#9ba6b8"],
  accent: ["#3f4fd0", "#93a0ff"],
  good: ["#0b6b45", "#4fd19a"],
  warn: ["#8a5300", "#f2b84b"],
  bad: ["#b3261e", "#ff8a80"],
  violet: ["#7a2fb0", "#cf9bff"],
  pink: ["#a3195b", "#ff8fc0"],
  oneShot: ["#0d8577", "#2fc4b0"],
  batch: ["#4b59d6", "#8895ff"],
  interactive: ["#b25e00", "#f0a03c"],
  quiet: ["#757f90", "#76829a"],
} as const satisfies Readonly<Record<string, ColorPair>>;

/** The name of a colour. */
export type ColorName = keyof typeof PALETTE;

/** Texts, and what they stand on. */
export const TEXT_PAIRS: readonly (readonly [ColorName, ColorName])[] = [
  ...(["page", "surface", "raised", "chosen"] as const).flatMap((ground) =>
    ([
      "text",
      "muted",
      "accent",
      "good",
      "warn",
      "bad",
      "violet",
      "pink",
    ] as const)
      .map((text) => [text, ground] as const)
  ),
];

/** Shapes that mean something, and what they stand on. */
export const SHAPE_PAIRS: readonly (readonly [ColorName, ColorName])[] = [
  ...(["surface", "raised", "chosen"] as const).flatMap((ground) =>
    (["oneShot", "batch", "interactive", "quiet", "accent"] as const)
      .map((shape) => [shape, ground] as const)
  ),
];

/** The colours as custom properties of CSS. */
export function paletteStyle(): string {
  return Object.entries(PALETTE).map(([name, [light, dark]]) =>
    `--${name}: light-dark(${light}, ${dark});`
  ).join("\n");
}
