export {
  TestDatabase,
  testDatabase,
  type TestDatabaseOptions,
  type TestRole,
} from "./test_database.ts";
export type { Row } from "./admin_client.ts";
export type { LoggedStatement } from "./server_log.ts";
export { waitFor } from "./wait_for.ts";
