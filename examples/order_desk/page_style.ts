/** The style of the page, light or dark as the reader has it. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
caption { font-size: 1.25rem; font-weight: 600; padding: 0.5rem 0; }
caption, th, td { text-align: left; }
th, td {
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  padding: 0.4rem 0.5rem;
}
tbody th { font-weight: inherit; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
input, select, button { font: inherit; padding: 0.3rem 0.5rem; }
input { box-sizing: border-box; text-align: right; width: 5rem; }
button { margin: 1rem 0; padding: 0.4rem 1.2rem; }
[role] { border-left: 0.3rem solid; padding: 0.5rem 1rem; }
[role="status"] { border-color: seagreen; }
[role="alert"] { border-color: crimson; }
@media (width < 30rem) { :root { font-size: 0.8rem; } }
`;
