import { TextLineStream } from "./text_lines.ts";

/** Another process of the benchmark, which answers one question at a time. */
export class LineProcess<Question, Answer> implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Starts a program that calls {@linkcode answerLines}.
   *
   * @param args Arguments of `deno`.
   */
  constructor(args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextLineStream())
      .getReader();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Asks it, behind what it was asked before.
   *
   * @param question As JSON.
   */
  ask<T extends Answer>(question: Question): Promise<T> {
    const answer = this.#turn.then(() => this.#exchange<T>(question));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 2_000);
    await this.#child.status;
    clearTimeout(late);
    await this.#lines.cancel().catch(() => {});
  }

  async #exchange<T>(question: Question): Promise<T> {
    const line = `${JSON.stringify(question)}\n`;
    // One that hangs is ended, and has failed.
    const late = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE);
    try {
      await this.#writer.write(new TextEncoder().encode(line));
      const told = await this.#nextAnswer();
      if (told === undefined) {
        throw new TypeError(
          `The process ended instead of answering ${line.slice(0, 200)}`,
        );
      }
      const { answer, error } = JSON.parse(told);
      if (error !== undefined) throw new TypeError(error);
      return answer;
    } finally {
      clearTimeout(late);
    }
  }

  async #nextAnswer(): Promise<string | undefined> {
    for (;;) {
      const { value, done } = await this.#lines.read();
      if (done) return undefined;
      // Some libraries greet on the standard output.
      if (value.startsWith(MARK)) return value.slice(MARK.length);
    }
  }
}

const MARK = "\u0001";
/** Milliseconds: more than any request takes. */
const PATIENCE = 60_000;

/**
 * Answers the questions of a {@linkcode LineProcess}, until there are no more.
 *
 * @param answer Answers one; what it throws is told.
 */
export async function answerLines<Question>(
  answer: (question: Question) => unknown,
): Promise<void> {
  const lines = Deno.stdin.readable.pipeThrough(new TextLineStream());
  const encoder = new TextEncoder();
  for await (const line of lines) {
    let told: { answer: unknown } | { error: string };
    try {
      told = { answer: await answer(JSON.parse(line)) ?? null };
    } catch (error) {
      const text = error instanceof Error ? error.stack ?? error.message : "";
      told = { error: text || String(error) };
    }
    const bytes = encoder.encode(`${MARK}${JSON.stringify(told)}\n`);
    for (let sent = 0; sent < bytes.length;) {
      sent += Deno.stdout.writeSync(bytes.subarray(sent));
    }
  }
}
