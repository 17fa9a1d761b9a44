import type { ConnectionTarget } from "../driver/url.ts";
import { isWorkerd } from "../driver/is_workerd.ts";

/** TLS settings as `node:tls` takes them, or none. */
type Tls = false | Readonly<Record<string, unknown>>;

/** What a client of `pg` is told of TLS. */
export interface ClientTls {
  readonly ssl: Tls;
  /** Whether it asks for TLS first, or begins with it. */
  readonly sslnegotiation: "postgres" | "direct";
}

/** Said, as the environment may ask for the contrary. */
const VERIFIED = { rejectUnauthorized: true };

/**
 * Reads what a URL says of TLS, as libpq does.
 *
 * @param target The URL's parts.
 * @param given Settings that take the place of its `sslmode`.
 * @throws {TypeError} When one of its parameters has no such value, or cannot
 * be had with the others.
 */
export function tlsFor(
  { params }: ConnectionTarget,
  given?: Readonly<Record<string, unknown>>,
): ClientTls {
  const tls = given ?? tlsOf(params.get("sslmode"));
  const binding = params.get("channel_binding") ?? "prefer";
  if (!["disable", "prefer", "require"].includes(binding)) {
    throw unknown("channel_binding", binding, "disable, prefer, require");
  }
  const isVerified = tls && tls.rejectUnauthorized !== false;
  if (binding === "require" && !isVerified) {
    throw needs(
      "channel_binding",
      binding,
      "verified TLS; add sslmode=require",
    );
  }
  return {
    // A copy, too: `pg` hides the key in what it is given, and may have done so.
    ssl: tls && { ...VERIFIED, ...tls, ...("key" in tls && { key: tls.key }) },
    // Named, as the environment may ask for another one.
    sslnegotiation: negotiationOf(tls, params.get("sslnegotiation")),
  };
}

function tlsOf(sslmode = "disable"): Tls {
  switch (sslmode) {
    case "disable":
      return false;
    case "no-verify":
      return { rejectUnauthorized: false };
    case "require":
    case "verify-ca":
    case "verify-full":
      return VERIFIED;
    default:
      throw unknown(
        "sslmode",
        sslmode,
        "disable, no-verify, require, verify-ca, verify-full",
      );
  }
}

function negotiationOf(
  tls: Tls,
  negotiation = "postgres",
): ClientTls["sslnegotiation"] {
  if (negotiation === "postgres") return negotiation;
  if (negotiation !== "direct") {
    throw unknown("sslnegotiation", negotiation, "postgres, direct");
  }
  if (!tls) {
    throw needs("sslnegotiation", negotiation, "TLS; add sslmode=require");
  }
  // A server takes it by a name in the greeting that Workers cannot say (ALPN).
  if (isWorkerd()) {
    throw needs("sslnegotiation", negotiation, "a runtime other than Workers");
  }
  return negotiation;
}

function unknown(name: string, value: string, known: string): TypeError {
  return new TypeError(
    `Cannot use the database URL: ${name} "${value}" is none of ${known}`,
  );
}

function needs(name: string, value: string, what: string): TypeError {
  return new TypeError(
    `Cannot use the database URL: ${name} "${value}" needs ${what}`,
  );
}
