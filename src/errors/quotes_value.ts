/**
 * Names as a server's message quotes them, in whatever language, and what it
 * puts behind a colon.
 */
const NAMES = /["«»„“”]([^"«»„“”]+)["«»„“”]|: (.+)$/g;

/**
 * Whether a server's message repeats a parameter, or a part of one. Texts of
 * the safe classes name objects, but the name itself can be a value, as in
 * `select $1::regclass`: of which PostgreSQL makes small letters, cuts it at 63
 * bytes, takes its quotes away, and may have found it in an array or in JSON.
 *
 * @param message What the server says.
 * @param text SQL, which is the program's own: what stands in it may be told.
 * @param params Encoded values.
 */
export function quotesValue(
  message: string,
  text: string,
  params: readonly (string | null)[],
): boolean {
  const values = params.filter((value) => value !== null);
  if (values.length === 0) return false;
  const told = message.toLowerCase();
  const own = unquoted(text);
  const isWhole = values.some((value) =>
    value.length <= told.length && told.includes(value.toLowerCase()) &&
    !own.includes(unquoted(value))
  );
  if (isWhole) return true;
  const names = Array.from(
    message.matchAll(NAMES),
    ([, quoted, last]) => unquoted(quoted ?? last ?? ""),
  )
    .filter((name) => !own.includes(name)).map(withoutSpaces);
  return names.length > 0 && values.some((value) => {
    const bare = withoutSpaces(unquoted(value));
    return names.some((name) => bare.includes(name));
  });
}

/** A text in small letters, without what quotes and escapes add. */
function unquoted(text: string): string {
  return text
    .replace(
      /\\u([\da-f]{4})/gi,
      (_, code) => String.fromCharCode(parseInt(code, 16)),
    )
    .replace(/["\\]/g, "")
    .toLowerCase();
}

function withoutSpaces(text: string): string {
  return text.replace(/\s/g, "");
}
