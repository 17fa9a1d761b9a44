/** The part of a terminal that is used. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A bar that is drawn over itself; nothing where there is no terminal. */
export class ProgressBar {
  readonly #terminal: Terminal;
  #drawn = "";

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Draws how far it is, from 0 to 1, and a text beside it. */
  draw(fraction: number, text: string): void {
    if (!this.#terminal.isTTY) return;
    const percent = `${Math.floor(fraction * 100)} %`.padStart(5);
    // Some terminals say that they have no columns.
    const columns = this.#terminal.columns || 80;
    const width = Math.max(0, columns - text.length - 11);
    const bar = "#".repeat(Math.round(fraction * width)).padEnd(width, "-");
    const line = `[${bar}]${percent}  ${text}`;
    if (line === this.#drawn) return;
    this.#drawn = line;
    this.#terminal.write(`\r${line}`);
  }

  /** Leaves the last bar where it is. */
  end(): void {
    if (this.#drawn !== "") this.#terminal.write("\n");
    this.#drawn = "";
  }
}
