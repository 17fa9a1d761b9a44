import type { Engine } from "@nullpool/db";
import process from "node:process";
import { deskSessions } from "../order_desk/app.ts";
import { type Rush, rush } from "../order_desk/rush.ts";
import { ProgressBar } from "../script/progress_bar.ts";

/**
 * Has orders placed, with a progress bar: something to see in the inspector.
 * What goes wrong is said, and the desk goes on.
 */
export async function showRush(
  engine: Engine,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  if (count === 0) return;
  const bar = new ProgressBar(process.stderr);
  try {
    const result = await rush(deskSessions(engine), count, {
      signal,
      onProgress: (fraction, result) => bar.draw(fraction, summary(result)),
    });
    bar.end();
    console.log(summary(result));
  } catch (error) {
    bar.end();
    if (!signal.aborted) console.error(error);
  }
}

function summary({ placed, refused }: Rush): string {
  return `${placed} orders placed, ${refused} refused`;
}
