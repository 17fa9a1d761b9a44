import {
  createEngine,
  type Engine,
  type MappedTable,
  type Session,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { command, type Statement } from "../../src/driver/statement.ts";
import { type DriverBed, driverBeds } from "../support/drivers.ts";
import { sendingBy } from "../support/sending_by.ts";

/**
 * A driver that tells what travels: statements by flight. A request is a
 * transaction: it is told with the BEGIN and the COMMIT that it stands for.
 */
export function watched(
  driver: Driver,
): { driver: Driver; flights: Statement[][] } {
  const flights: Statement[][] = [];
  const { sendTransaction } = driver;
  return {
    flights,
    driver: {
      ...sendingBy(driver, (connection, statements, onProgress) => {
        flights.push([...statements]);
        return connection.send(statements, onProgress);
      }),
      sendTransaction: sendTransaction && ((statements, options) => {
        flights.push([command("begin"), ...statements, command("commit")]);
        return sendTransaction(statements, options);
      }),
    },
  };
}

/** What a test of entities works with. */
export interface EntityBed<Schema extends Record<string, unknown>> {
  readonly engine: Engine;
  readonly Session: Sessionmaker<Schema>;
  readonly db: Session<Schema>;
  readonly bed: DriverBed;
  /** Flights since the last call: their statements' texts. */
  flights(): string[][];
  /** Rows of a query, outside of the session's transaction. */
  rows(text: string): Promise<unknown[]>;
}

/** Where the tests of entities run. */
export interface EntityTestOptions<Schema extends Record<string, unknown>> {
  /** Statements that create the tables. */
  readonly setup: readonly string[];
  readonly schema: Schema;
  readonly tables?: readonly MappedTable[];
  readonly casing?: "snake_case";
  /** Which drivers it is about. */
  readonly drivers?: readonly string[];
}

/** Makes tests of entities, over every driver. */
export function entityTests<Schema extends Record<string, unknown>>(
  subject: string,
  options: EntityTestOptions<Schema>,
): (name: string, run: (bed: EntityBed<Schema>) => Promise<void>) => void {
  const { setup, drivers = Object.keys(driverBeds), ...made } = options;
  return (name, run) => {
    for (const driver of drivers) {
      Deno.test(`${subject} ${name}, over ${driver}`, async () => {
        const makeBed = driverBeds[driver];
        if (makeBed === undefined) throw new TypeError(`No driver ${driver}`);
        await using bed = await makeBed();
        const watch = watched(bed.driver);
        await using engine = createEngine(watch.driver);
        const Session = sessionmaker(engine, made);
        await Session.begin(async (db) => {
          for (const statement of setup) await db.execute(statement);
        });
        watch.flights.length = 0;
        const db = Session();
        try {
          await run({
            engine,
            Session,
            db,
            bed,
            flights: () =>
              watch.flights.splice(0).map((flight) =>
                flight.map(({ text }) => text)
              ),
            rows: (text) =>
              Session.begin(async (other) => (await other.execute(text)).rows),
          });
        } finally {
          await db.close();
        }
      });
    }
  };
}

/** A statement in few words: what it does to which table, with how many rows. */
export function inShort(text: string): string {
  const verb = /(insert into|update|delete from) "([^"]+)"/.exec(text);
  if (verb?.[1] !== undefined) return `${verb[1].split(" ")[0]} ${verb[2]}`;
  return text.startsWith("begin") ? "begin" : text;
}
