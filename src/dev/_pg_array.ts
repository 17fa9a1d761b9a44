/**
 * PostgreSQL's text form of an array as JSON text. Bounds (`[2:3]={..}`) are
 * dropped, because JSON cannot say them.
 *
 * @param text For example `{1,NULL,"a b"}`.
 * @param elementJson Turns the text of an element into JSON text.
 * @returns For example `[1,null,"a b"]`.
 * @throws {SyntaxError} When it is not an array.
 */
export function arrayJson(
  text: string,
  elementJson: (element: string) => string,
): string {
  const start = text.startsWith("[") ? text.indexOf("=") + 1 : 0;
  const reader = { text, at: start, elementJson };
  const json = readArray(reader);
  if (reader.at !== text.length) throw unbalanced();
  return json;
}

interface Reader {
  readonly text: string;
  readonly elementJson: (element: string) => string;
  at: number;
}

function readArray(reader: Reader): string {
  if (reader.text[reader.at] !== "{") throw unbalanced();
  const items: string[] = [];
  reader.at++;
  while (reader.text[reader.at] !== "}") {
    items.push(readItem(reader));
    const next = reader.text[reader.at];
    if (next === ",") reader.at++;
    else if (next !== "}") throw unbalanced();
  }
  reader.at++;
  return `[${items.join(",")}]`;
}

function readItem(reader: Reader): string {
  const first = reader.text[reader.at];
  if (first === "{") return readArray(reader);
  if (first === '"') return reader.elementJson(readQuoted(reader));
  const match = /[^,}]*/y;
  match.lastIndex = reader.at;
  const item = match.exec(reader.text)?.[0] ?? "";
  reader.at += item.length;
  return item === "NULL" ? "null" : reader.elementJson(item);
}

function readQuoted(reader: Reader): string {
  const match = /"((?:[^"\\]|\\[^])*)"/y;
  match.lastIndex = reader.at;
  const found = match.exec(reader.text);
  if (found === null) throw unbalanced();
  reader.at += found[0].length;
  return (found[1] ?? "").replace(/\\([^])/g, "$1");
}

function unbalanced(): SyntaxError {
  return new SyntaxError("Cannot read array: unbalanced");
}
