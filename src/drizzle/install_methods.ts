import type { HandleDatabase } from "./session_context.ts";

/**
 * Gives a class methods that another one has as well, where both have to extend
 * classes of Drizzle's.
 *
 * @param prototype Of a class whose interface says that it has them.
 * @param methods By name.
 */
export function installMethods(
  prototype: HandleDatabase,
  methods: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, {
      value,
      writable: true,
      configurable: true,
    });
  }
}
