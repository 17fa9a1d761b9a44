/**
 * JSON parameters as PostgreSQL's text format, as Neon's proxy converts them:
 * strings as they are, arrays as PostgreSQL arrays, the rest as JSON text.
 *
 * @param values The request's `params`.
 * @returns Text, or `null` for SQL NULL.
 */
export function textParameters(values: readonly unknown[]): (string | null)[] {
  return values.map((value) => {
    if (value === null) return null;
    if (typeof value === "string") return value;
    return Array.isArray(value) ? arrayText(value) : JSON.stringify(value);
  });
}

function arrayText(values: readonly unknown[]): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: unknown): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return arrayText(value);
  const text = JSON.stringify(value);
  return typeof value === "object" ? JSON.stringify(text) : text;
}
