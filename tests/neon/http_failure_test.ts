import { assertEquals } from "@std/assert";
import { noAnswer } from "../../src/neon/_http_failure.ts";

/** What runtimes throw, and whether the server may have run something. */
const REASONS: readonly (readonly [Error, boolean])[] = [
  [
    new TypeError(
      "error sending request for url (https://api.refused-dns.resolve.example/sql): connection closed before message completed",
    ),
    true,
  ],
  [
    new TypeError("fetch failed", {
      cause: Object.assign(new Error("other side closed"), {
        code: "UND_ERR_SOCKET",
      }),
    }),
    true,
  ],
  [new Error("no answer for 200 ms"), true],
  [
    new TypeError(
      "error sending request for url (http://127.0.0.1:9/sql): client error (Connect): tcp connect error: Connection refused (os error 111)",
    ),
    false,
  ],
  [
    new TypeError("fetch failed", {
      cause: Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), {
        code: "ECONNREFUSED",
      }),
    }),
    false,
  ],
  [
    new TypeError(
      "error sending request for url (https://api.nowhere.invalid/sql): dns error: failed to lookup address information",
    ),
    false,
  ],
];

Deno.test("noAnswer() takes a host's name for no reason", () => {
  for (const [reason, maybeExecuted] of REASONS) {
    const error = noAnswer(
      'database "app" at refused-dns.example:5432',
      reason,
    );
    assertEquals([reason.message, error.maybeExecuted], [
      reason.message,
      maybeExecuted,
    ]);
  }
});
