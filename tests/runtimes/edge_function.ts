import { neon } from "@nullpool/db/neon";
import { runScenario } from "./scenario.ts";

/** The part of a `fetch` event that is used. */
interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

async function answer(request: Request): Promise<Response> {
  const { NEON_URL, REPORT_URL } = await request.json();
  // No TCP here: `postgres` has nothing to open.
  await runScenario({ neon: neon(NEON_URL) }, REPORT_URL);
  return new Response();
}

// The runtime tells a function of requests by this event alone.
addEventListener("fetch", (event) => {
  const { request } = event as FetchEvent;
  (event as FetchEvent).respondWith(answer(request));
});
