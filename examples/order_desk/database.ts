import type { Session } from "@nullpool/db";
import type * as schema from "./schema.ts";

/** A database session with the order desk's tables. */
export type Database = Session<typeof schema>;
