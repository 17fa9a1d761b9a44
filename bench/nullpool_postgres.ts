import { postgres } from "../src/postgres/mod.ts";
import { nullpool } from "./nullpool.ts";
import type { Peer } from "./peer.ts";

/** `postgres(url)`: TCP. */
export const nullpoolPostgres: Peer = nullpool((url) => postgres(url));
