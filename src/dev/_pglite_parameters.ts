import { simpleQuery } from "./_messages.ts";
import { MessageBuffer } from "./_message_buffer.ts";
import type { PGliteLease } from "./_pglite_lease.ts";

/** What PostgreSQL reports to a new client. */
const REPORTED = [
  "server_version",
  "server_encoding",
  "client_encoding",
  "application_name",
  "is_superuser",
  "session_authorization",
  "DateStyle",
  "IntervalStyle",
  "TimeZone",
  "integer_datetimes",
  "standard_conforming_strings",
  "search_path",
  "default_transaction_read_only",
  "in_hot_standby",
];

/**
 * Asks PGlite for the parameters that a server reports at the start.
 *
 * @param lease Lends PGlite.
 */
export async function readParameters(
  lease: PGliteLease,
): Promise<ReadonlyMap<string, string>> {
  const release = await lease.acquire();
  try {
    const parameters = new Map<string, string>();
    for (const name of REPORTED) {
      const value = firstValue(
        await lease.execute(simpleQuery(`SHOW ${name}`)),
      );
      if (value !== undefined) parameters.set(name, value);
    }
    return parameters;
  } finally {
    release();
  }
}

/** The only value of the only row. */
function firstValue(answers: Uint8Array): string | undefined {
  const buffer = new MessageBuffer();
  buffer.append(answers);
  for (;;) {
    const message = buffer.takeMessage();
    if (message === undefined) return undefined;
    // Type, length, number of columns, length of the first one, its text.
    if (message.type === "D") return message.bytes.toString("utf8", 11);
  }
}
