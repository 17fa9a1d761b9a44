import { StateError } from "../errors/state_error.ts";
import type { Settings } from "./settings.ts";

/** For whom a session speaks. */
export interface Identity {
  /** What a verified token says of its bearer. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** Under which role statements run. */
  readonly role?: string | undefined;
}

/** For whom sessions may speak. */
export interface IdentityRules {
  /** Roles that a session may take; of none it keeps the connection's. */
  readonly roles: readonly string[];
  /** Whether nothing may be sent without claims. */
  readonly requireClaims: boolean;
}

/** The roles that policies of Neon, Supabase and PostgREST are written for. */
export const USUAL_ROLES: readonly string[] = ["authenticated", "anon"];

/**
 * Refuses roles that are no list: of one name any part would be allowed.
 *
 * @param roles What was given.
 * @throws {TypeError} When it is none.
 */
export function checkRoles(roles: unknown): void {
  const isList = Array.isArray(roles) &&
    roles.every((role) => typeof role === "string");
  if (isList) return;
  throw new TypeError(
    'Cannot use option "roles": it is an array of the names of roles',
  );
}

/**
 * What has to be set in every transaction of a session, so that policies know
 * for whom it speaks (PostgreSQL, `set_config(.., true)` and `SET LOCAL ROLE`).
 *
 * The role is the one that is asked for, else the one that the claims name, as
 * far as it is allowed, else the first one that is: a claim chooses no other.
 *
 * @param identity For whom it speaks.
 * @param rules For whom it may.
 * @returns Settings by name; nothing where claims are missing.
 * @throws {TypeError} When the claims are no object that JSON can hold, or a
 * promise.
 * @throws {RangeError} When the role is none that is allowed.
 */
export function identitySettings(
  { claims, role }: Identity,
  { roles, requireClaims }: IdentityRules,
): Settings | undefined {
  if (role !== undefined && !roles.includes(role)) {
    throw new RangeError(
      `Cannot use option "role": it is none of ${
        roles.join(", ") || "no roles at all"
      }; see the option "roles" of sessionmaker()`,
    );
  }
  if (claims === undefined) {
    if (requireClaims) return undefined;
    return role === undefined ? {} : { role };
  }
  const text = claimsText(claims);
  const taken = role ?? allowedRole(claims, roles);
  return {
    "request.jwt.claims": text,
    ...(taken !== undefined && { role: taken }),
  };
}

function allowedRole(
  claims: Readonly<Record<string, unknown>>,
  roles: readonly string[],
): string | undefined {
  return roles.find((role) => role === claims.role) ?? roles[0];
}

/**
 * No part of them is repeated where they are none. A promise of them would be
 * an object without any, in the role of who is logged in.
 */
function claimsText(claims: Readonly<Record<string, unknown>>): string {
  const isObject = typeof claims === "object" && claims !== null &&
    !Array.isArray(claims) && typeof claims.then !== "function";
  try {
    const text = isObject ? JSON.stringify(claims) : undefined;
    if (text?.startsWith("{")) return text;
  } catch {
    // A ring, or a bigint.
  }
  throw new TypeError(
    'Cannot use option "claims": it is an object that JSON can hold, and no promise of one',
  );
}

/** Anything that would be sent for nobody. */
export function claimsRequiredError(place: string): StateError {
  return new StateError(
    "CLAIMS_REQUIRED",
    `Cannot execute${place}: the session has no claims, and "requireClaims" is on; give it some, such as Session({ claims }), also to those who are not logged in`,
  );
}

/** Anything that would be sent under the password, as there is no token. */
export function tokenRequiredError(place: string): StateError {
  return new StateError(
    "CLAIMS_REQUIRED",
    `Cannot execute${place}: the session has no "authToken", and is to have one; refuse those who are not logged in before`,
  );
}
