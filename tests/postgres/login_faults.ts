import { joinChunks } from "../../src/wire/frontend.ts";

/** What a relay makes of what it reads; it closes where there is nothing. */
export type Rewrite = (bytes: Uint8Array) => Uint8Array | undefined;

/** The messages in some bytes; a start-up has no type in front of its length. */
export function messagesIn(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at] === 0 ? 0 : 1;
    const end = at + type + view.getInt32(at + type);
    messages.push(bytes.subarray(at, end));
    at = end;
  }
  return messages;
}

/** A message by its letter, and a login's by its kind as well. */
export function nameOf([type = 0, , , , , , , , kind]: Uint8Array): string {
  const letter = String.fromCharCode(type);
  return letter === "R" ? `${letter}${kind}` : letter;
}

/** A pooler reads one message at a time, and throws away what is behind it. */
export function careless(bytes: Uint8Array): Uint8Array | undefined {
  return messagesIn(bytes)[0];
}

/** It hangs up on whoever says two things at once. */
export function strict(bytes: Uint8Array): Uint8Array | undefined {
  return messagesIn(bytes).length > 1 ? undefined : bytes;
}

/** It does so with a start-up alone. */
export function atFirst(rewrite: Rewrite): Rewrite {
  return (bytes) => bytes[0] === 0 ? rewrite(bytes) : bytes;
}

/** A server says none, one or some messages in place of each. */
function saying(
  instead: (message: Uint8Array) => readonly Uint8Array[],
): Rewrite {
  return (bytes) => joinChunks(messagesIn(bytes).flatMap(instead));
}

/** It says only what is named so. */
export function only(names: RegExp): Rewrite {
  return saying((message) => names.test(nameOf(message)) ? [message] : []);
}

/** It says twice what is named so. */
export function twice(name: string): Rewrite {
  return saying((message) =>
    nameOf(message) === name ? [message, message] : [message]
  );
}

/** It says something else. */
export function replaced(from: RegExp, to: string): Rewrite {
  return saying((message) => {
    const text = new TextDecoder("latin1").decode(message);
    const changed = Uint8Array.from(
      text.replace(from, to),
      (char) => char.charCodeAt(0),
    );
    new DataView(changed.buffer).setInt32(1, changed.length - 1);
    return [changed];
  });
}
