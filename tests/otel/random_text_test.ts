import { assert } from "@std/assert";
import { summarize } from "../../src/otel/_query_summary.ts";
import { sanitizedText } from "../../src/otel/_query_text.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Random, seeded, testSeed } from "../support/random.ts";

const TEXTS = 500;

/** Of values and comments; only in them there are the letters z and q. */
const PIECES = [
  ...["z", "q", "1", "é", "\u00a0", " ", "\n", "\r", "E'", "e'"],
  ...["'", '"', "\\", "$", "$$", "$a$", "-", "--", "/*", "*/"],
];
const LINE_BREAKS = ["\n", "\r", "\r\n"];
const NUMBERS = ["1", "1.5", ".5", "1e3", "1e-3", "1_0", "1e-1_0", "0xfF"];

/** Writes the same values in all the ways that PostgreSQL has. */
class Writer {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  statement(): string {
    const values = this.#some(4, () => `(${this.#value()})${this.#gap()}`);
    return `select${this.#gap()} ${["(1)", ...values].join(",")}`;
  }

  #one<T>(choices: readonly T[]): T {
    const choice = choices[this.#random(choices.length)];
    assert(choice !== undefined);
    return choice;
  }

  /** Fewer than `limit`. */
  #some<T>(limit: number, make: () => T): T[] {
    return Array.from({ length: this.#random(limit) }, make);
  }

  #text(): string {
    return this.#some(7, () => this.#one(PIECES)).join("");
  }

  #value(): string {
    switch (this.#random(5)) {
      case 0:
        return this.#one(NUMBERS);
      case 1:
        return this.#dollars(this.#one(["", "a", "_b1", "é"]));
      case 2:
        return this.#string(
          this.#one(["E", "e"]),
          (text) =>
            text.replaceAll("\\", "\\\\").replaceAll(
              "'",
              () => this.#one(["''", "\\'"]),
            ),
        );
      case 3:
        return this.#string(
          this.#one(["U&", "u&"]),
          (text) => text.replaceAll("\\", "").replaceAll("'", "''"),
        );
      default:
        return this.#string(
          this.#one(["", "N", "n"]),
          (text) => text.replaceAll("'", "''"),
        );
    }
  }

  /** A string, which may go on behind a line break. */
  #string(prefix: string, quoted: (text: string) => string): string {
    const more = this.#some(
      3,
      () => `${this.#newLine()}'${quoted(this.#text())}'`,
    );
    return `${prefix}'${quoted(this.#text())}'${more.join("")}`;
  }

  #dollars(tag: string): string {
    const text = this.#text().replaceAll(/\$+$/g, "");
    const mark = `$${tag}$`;
    return `${mark}${text.includes(`$${tag}`) ? "z" : text}${mark}`;
  }

  #gap(): string {
    const gaps = [" ", "\t", "/* z' /* q\" */ ' */", ...LINE_BREAKS];
    return this.#some(3, () => this.#one([...gaps, this.#comment()])).join("");
  }

  #newLine(): string {
    const before = this.#one(["", " ", this.#comment()]);
    return `${before}${this.#one(LINE_BREAKS)}${
      this.#one(["", " ", this.#comment()])
    }`;
  }

  #comment(): string {
    const text = this.#text().replaceAll(/[\n\r]/g, "");
    return `--${text}${this.#one(LINE_BREAKS)}`;
  }
}

Deno.test("sanitizedText() and summarize() tell no value, however it is written", async () => {
  await using database = await testDatabase();
  const writer = new Writer(seeded(testSeed()));
  for (let n = 0; n < TEXTS; n++) {
    const text = writer.statement();
    await database.query(text);
    const told = sanitizedText(text) + summarize(text).summary;
    assert(!/[zq\d]/.test(told), `${JSON.stringify(text)} is told as ${told}`);
  }
});
