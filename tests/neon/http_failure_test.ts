import { assert, assertEquals } from "@std/assert";
import { ConnectionError } from "../../mod.ts";
import { httpFailure, noAnswer } from "../../src/neon/_http_failure.ts";

/** What runtimes throw, and whether the server may have run something. */
const REASONS: readonly (readonly [Error, boolean])[] = [
  [new TypeError("Fetch failed: Requests to port 6667 are blocked"), false],
  [new TypeError("fetch failed", { cause: new Error("bad port") }), false],
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
  ...[
    "invalid peer certificate: UnknownIssuer",
    "received corrupt message of type InvalidContentType",
    "tcp connect error: Connection timed out (os error 110)",
    "Connection reset by peer (os error 104)",
  ].map((reason) =>
    [
      new TypeError("fetch failed", {
        cause: new Error(
          `error sending request for url (https://api.example/sql): client error (Connect): ${reason}`,
        ),
      }),
      false,
    ] as const
  ),
  [
    new TypeError("fetch failed", {
      cause: new Error("Connection reset by peer (os error 104)"),
    }),
    true,
  ],
  ...[
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "CERT_HAS_EXPIRED",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UND_ERR_CONNECT_TIMEOUT",
  ].map((code) => [coded(code), false] as const),
  ...["ECONNRESET", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_SOCKET"]
    .map((code) => [coded(code), true] as const),
];

/** As Node and Bun tell it. */
function coded(code: string): Error {
  const cause = Object.assign(new Error("it failed"), { code });
  return new TypeError("fetch failed", { cause });
}

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

/** As Deno tells it. */
function said(reason: string): Error {
  const cause = new Error(
    `error sending request from 127.0.0.1:4 for https://app:secret@api.example/sql (10.0.0.1:443): client error (${reason}`,
  );
  return new TypeError("fetch failed", { cause });
}

const WHY: readonly (readonly [unknown, string])[] = [
  [
    said("Connect): invalid peer certificate: UnknownIssuer"),
    "Cannot connect to db: invalid peer certificate: UnknownIssuer",
  ],
  [
    said("SendRequest): connection closed before message completed"),
    "Lost the connection to db: connection closed before message completed",
  ],
  [
    new TypeError("fetch failed", {
      cause: coded("ENOTFOUND").cause,
    }),
    "Cannot connect to db: ENOTFOUND",
  ],
  [coded("UND_ERR_SOCKET"), "Lost the connection to db: UND_ERR_SOCKET"],
  [
    new TypeError("Fetch failed: Requests to port 6667 are blocked"),
    "Cannot connect to db: it cannot be reached",
  ],
  // A `fetch` of the caller's says anything.
  [new Error("secret"), "Lost the connection to db: no answer"],
  ["secret", "Lost the connection to db: no answer"],
];

Deno.test("noAnswer() says why, in the runtime's words", () => {
  for (const [error, message] of WHY) {
    assertEquals(noAnswer("db", error).message, message);
  }
});

Deno.test("httpFailure() takes only a refusal for nothing done", () => {
  const attempt = 'database "app" at host:5432';
  const told = (status: number) => {
    const error = httpFailure(attempt, status, "<html>");
    assert(error instanceof ConnectionError);
    return error;
  };
  for (const status of [307, 308, 400, 401, 403, 404, 413, 429]) {
    assertEquals([status, told(status).maybeExecuted], [status, false]);
  }
  const unknown = [0, 201, 202, 204, 206, 302, 303, 408, 409, 499, 500, 502];
  for (const status of [...unknown, 503, 504, 520, 524]) {
    assertEquals([status, told(status).maybeExecuted], [status, true]);
  }
});
