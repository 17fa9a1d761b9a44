/** Turns a value's text into a JavaScript value. */
export type TypeParser = (text: string) => unknown;

/** The part of a driver package's `types` that is used. */
export interface DriverTypes {
  getTypeParser(oid: number, format?: "text"): unknown;
}

/**
 * OIDs that stay text: `date`, `timestamp`, `timestamptz` and `interval`, and
 * the arrays of them and of `numeric`. Drizzle's columns parse these
 * themselves, and the driver packages' parsers would lose microseconds.
 */
const TEXT_OIDS: ReadonlySet<number> = new Set([
  1082,
  1114,
  1184,
  1186,
  1182,
  1115,
  1185,
  1187,
  1231,
]);

/**
 * Looks up a parser per value type without touching the driver package's
 * global parsers, which other code of the process may depend on.
 *
 * @param types The driver package's `types`.
 * @returns A function from type OID to parser.
 */
export function typeParsers(
  types: DriverTypes,
): (oid: number) => TypeParser {
  return (oid) => {
    if (TEXT_OIDS.has(oid)) return asText;
    const parser = types.getTypeParser(oid, "text");
    return isParser(parser) ? parser : asText;
  };
}

function asText(text: string): string {
  return text;
}

function isParser(parser: unknown): parser is TypeParser {
  return typeof parser === "function";
}
