import type { Connection } from "../driver/connection.ts";
import { orGivenUp } from "../driver/give_up.ts";
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
  try {
    const { results } = await orGivenUp(connection.send([command(text)]), {
      signal,
      timeout: ANSWER_DEADLINE,
    });
    return results.length === 1;
  } catch {
    // Given up, or a driver of somebody else's rejects.
    return false;
  }
}
