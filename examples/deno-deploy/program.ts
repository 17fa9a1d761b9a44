import { NullpoolError } from "@nullpool/db";

/**
 * Runs a program. What its user can mend (a busy port, a database that is in
 * use or out of reach, a wrong setting) is one line and exit code 1.
 */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const isForUser = error instanceof NullpoolError ||
      error instanceof TypeError || error instanceof RangeError;
    if (!isForUser) throw error;
    console.error(error.message);
    Deno.exitCode = 1;
  }
}
