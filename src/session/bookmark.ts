/**
 * How far the primary's log was behind the last commit that wrote, of all the
 * sessions that work for one user and share this. A replica that has not
 * replayed so much does not answer their reads.
 *
 * A session with `readYourWrites` makes one, and hands it on in its `identity`;
 * make it yourself to have several sessions share it from the start.
 *
 * @example Two sessions of one user
 * ```ts
 * import { Bookmark, createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { assert } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const bookmark = new Bookmark();
 * const Session = sessionmaker(engine).with({ readYourWrites: true, bookmark });
 * await Session.begin((db) => db.execute("create table notes (body text)"));
 * await using next = Session(); // what the other has written, it sees
 * assert(next.bookmark === bookmark.noted);
 * assert(bookmark.noted !== undefined);
 * ```
 */
export class Bookmark {
  readonly #given: string | undefined;
  #noted: string | undefined;
  #database: object | undefined;

  /**
   * Knows of nothing that was committed here yet.
   *
   * @param given Where an earlier session of the user was, if that is known.
   * @throws {RangeError} When it is no position of the log, as PostgreSQL's type
   * `pg_lsn` writes it.
   */
  constructor(given?: string) {
    if (given !== undefined && !isLogPosition(given)) {
      throw new RangeError(
        'Cannot use option "bookmark": it is a position of the log, as session.bookmark gives it',
      );
    }
    this.#given = given;
  }

  /** How far the commits were that those who share it have made. */
  get noted(): string | undefined {
    return this.#noted;
  }

  /** How far a replica has to be to answer them: as far, or where they began. */
  get position(): string | undefined {
    return this.#noted ?? this.#given;
  }

  /**
   * Notes a commit. Those of sessions side by side may be told in any order.
   *
   * @param position How far the log was behind it.
   */
  note(position: string): void {
    const noted = this.#noted;
    if (noted === undefined || sortable(noted) < sortable(position)) {
      this.#noted = position;
    }
  }

  /**
   * What sessions on a database share: another one has another log, and nobody
   * there has written what this one tells of.
   *
   * @param database What connects to it, on whichever engine.
   * @returns This one, or one that knows of nothing.
   */
  on(database: object): Bookmark {
    this.#database ??= database;
    return this.#database === database ? this : new Bookmark();
  }
}

const POSITION = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i;

/**
 * Whether a text is a position of the log (PostgreSQL, "pg_lsn Type").
 *
 * @param text From anywhere.
 */
export function isLogPosition(text: string): boolean {
  return POSITION.test(text);
}

/** Text that is ordered as the positions are. */
function sortable(position: string): string {
  return position.toUpperCase().split("/")
    .map((half) => half.padStart(8, "0")).join("");
}
