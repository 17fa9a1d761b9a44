import { orGivenUp } from "../driver/give_up.ts";
import type { BeginHook, ExecuteFirst, Settings } from "./settings.ts";

/**
 * Runs what comes ahead of a transaction's first statement; its statements run
 * one after the other.
 *
 * @param run What to run.
 * @param execute Runs one statement.
 * @param signal Gives up waiting for it, but not for a statement that runs.
 * @returns What it returned.
 */
export async function runInTurn(
  run: BeginHook,
  execute: ExecuteFirst,
  signal: AbortSignal,
): Promise<Settings | void> {
  let last: Promise<unknown> = Promise.resolve();
  const running = run((statement) => {
    const answer = last.then(() => execute(statement));
    last = answer.catch(() => {});
    return answer;
  });
  try {
    return await orGivenUp(running, { signal });
  } finally {
    await last;
  }
}
