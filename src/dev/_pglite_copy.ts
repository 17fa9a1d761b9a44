import type { Buffer } from "node:buffer";
import { copiesIn } from "../wire/copy_in.ts";
import type { Message } from "./_message_buffer.ts";
import { parse, simpleQuery } from "./_messages.ts";

const REFUSAL =
  "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'COPY FROM STDIN is not supported over PGlite'; END $$";

/**
 * Replaces `COPY .. FROM STDIN` by a statement that fails. PGlite 0.5 reads
 * its whole input in one call: without the data it never comes back, and takes
 * the process with it.
 *
 * @param message A message to PGlite.
 * @returns What to send instead, or its own bytes.
 */
export function withoutCopyIn(message: Message): Buffer {
  const { type, bytes } = message;
  if (type !== "Q" && type !== "P") return bytes;
  const nameEnd = type === "P" ? bytes.indexOf(0, HEAD) : HEAD - 1;
  const sql = bytes.toString(
    "utf8",
    nameEnd + 1,
    bytes.indexOf(0, nameEnd + 1),
  );
  if (!/copy/i.test(sql) || !copiesIn(sql)) return bytes;
  return type === "Q"
    ? simpleQuery(REFUSAL)
    : parse(bytes.toString("utf8", HEAD, nameEnd), REFUSAL);
}

/** Bytes of type and length. */
const HEAD = 5;
