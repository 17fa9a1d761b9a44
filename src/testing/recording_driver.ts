import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import type { FlightResult, Statement } from "../driver/statement.ts";

/** A driver that keeps a record and has no database. */
export interface RecordingDriver extends Driver {
  /**
   * What was asked of it, in order: `connect`, the statements of each flight
   * joined by `; `, and `close`.
   */
  readonly log: readonly string[];
}

/**
 * Makes a driver that records what is asked of it and answers every statement
 * with no rows. It is for counting calls: what a database would say is the
 * business of a database.
 *
 * @example What a session sends
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = recordingDriver();
 * const Session = sessionmaker(createEngine(driver));
 * await Session.begin(() => Promise.resolve());
 * assertEquals(driver.log, []);
 * ```
 *
 * @returns The driver, for `createEngine` or a pool.
 */
export function recordingDriver(): RecordingDriver {
  const log: string[] = [];
  return {
    name: "recording",
    log,
    describe: () => "the recording driver",
    connect() {
      log.push("connect");
      return Promise.resolve(new RecordingConnection(log));
    },
  };
}

class RecordingConnection implements Connection {
  readonly #log: string[];
  #closed = false;

  constructor(log: string[]) {
    this.#log = log;
  }

  get usable(): boolean {
    return !this.#closed;
  }

  send(statements: readonly Statement[]): Promise<FlightResult> {
    this.#log.push(statements.map((statement) => statement.text).join("; "));
    const results = statements.map(({ text }) => ({
      rows: [],
      command: text.split(" ", 1)[0]?.toUpperCase() ?? "",
      rowCount: 0,
      fields: [],
    }));
    return Promise.resolve({ results });
  }

  close(): Promise<void> {
    if (!this.#closed) this.#log.push("close");
    this.#closed = true;
    return Promise.resolve();
  }
}
