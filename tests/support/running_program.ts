/** What a program is started with. */
export interface StartOptions {
  /** The folder it runs in. @default {this process's} */
  readonly cwd?: string;
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it writes when it is up. */
  readonly ready: RegExp;
}

/** A program that was started, and is killed when it is disposed. */
export interface RunningProgram extends AsyncDisposable {
  /** The groups of what said that it is up. */
  readonly groups: readonly string[];
  /** What it wrote until now, to standard output and standard error. */
  readonly output: string;
  /** Waits until it has written something. */
  wrote(what: RegExp): Promise<void>;
  /** Sends a signal, waits for the end, and returns the exit code. */
  stop(signal: Deno.Signal): Promise<number>;
}

/**
 * Starts a program and waits until it is up.
 *
 * @param program Its path, or its name on the `PATH`.
 * @param args What it is told.
 * @param options When it is up, and where it runs.
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  options: StartOptions,
): Promise<RunningProgram> {
  const { cwd, env } = options;
  const child = new Deno.Command(program, {
    args: [...args],
    ...(cwd !== undefined && { cwd }),
    env: { NO_COLOR: "1", NODE_OPTIONS: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new Output(child.stdout, child.stderr);

  async function end(signal: Deno.Signal): Promise<number> {
    try {
      child.kill(signal);
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    await output.closed;
    return (await child.status).code;
  }

  try {
    const [, ...groups] = await output.matching(options.ready);
    return {
      groups,
      get output() {
        return output.text;
      },
      wrote: async (what) => {
        await output.matching(what);
      },
      stop: end,
      [Symbol.asyncDispose]: async () => {
        await end("SIGKILL");
      },
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}

/** What a program writes, to both its outputs. */
class Output {
  text = "";
  /** Resolves when both have ended. */
  readonly closed: Promise<unknown>;
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(...streams: readonly ReadableStream<Uint8Array<ArrayBuffer>>[]) {
    this.closed = Promise.all(streams.map((stream) => this.#read(stream)))
      .then(() => {
        this.#isOver = true;
        this.#changed.resolve();
      });
  }

  /** Waits for what is written. */
  async matching(what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = what.exec(this.text);
      if (found !== null) return found;
      if (this.#isOver) {
        throw new Error(`It ended without ${what}: ${this.text}`);
      }
      await this.#changed.promise;
    }
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      this.text += piece;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }
}
