import type { Connection } from "../driver/connection.ts";
import { command } from "../driver/statement.ts";

/**
 * Milliseconds until a connection counts as lost that does not answer. A peer
 * that went away without a word would keep a ping waiting for minutes.
 */
const ANSWER_DEADLINE = 5_000;

/**
 * Sends one statement and tells whether it was answered with success. If not,
 * the connection is to be closed: the answer may still arrive.
 *
 * @param connection Lent to nobody meanwhile.
 * @param text SQL text.
 * @param signal Gives up waiting.
 * @returns Whether it was; it never rejects.
 */
export async function answers(
  connection: Connection,
  text: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if (signal?.aborted) return false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const givenUp = new Promise<void>((resolve) => {
    onAbort = () => resolve();
    signal?.addEventListener("abort", onAbort);
    timer = setTimeout(onAbort, ANSWER_DEADLINE);
  });
  try {
    return await Promise.race([succeeds(connection, text), givenUp]) ?? false;
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}

async function succeeds(
  connection: Connection,
  text: string,
): Promise<boolean> {
  try {
    const { results } = await connection.send([command(text)]);
    return results.length === 1;
  } catch {
    // A driver of somebody else's may reject.
    return false;
  }
}
