/** A process of its own for relays, so that they share no event loop. */
import { answerLines } from "./line_process.ts";
import { Relay, type WireEvent } from "./relay.ts";

/** What the process is asked for. */
export type RelayQuestion =
  | { kind: "open"; hostname: string; port: number }
  | { kind: "distance"; roundTrip: number }
  | { kind: "take" | "cut" | "close"; port: number };

/** A port, or what was seen. */
export type RelayAnswer = number | WireEvent[] | null;

async function main(): Promise<void> {
  const relays = new Map<number, Relay>();
  let roundTrip = 0;

  function relayAt(port: number): Relay {
    const relay = relays.get(port);
    if (!relay) throw new RangeError(`No relay listens on port ${port}`);
    return relay;
  }

  await answerLines<RelayQuestion>(async (question) => {
    switch (question.kind) {
      case "open": {
        const relay = new Relay(question);
        relay.roundTrip = roundTrip;
        relays.set(relay.port, relay);
        return relay.port;
      }
      case "distance":
        roundTrip = question.roundTrip;
        for (const relay of relays.values()) relay.roundTrip = roundTrip;
        return;
      case "take":
        return relayAt(question.port).take();
      case "cut":
        return relayAt(question.port).cut();
      case "close": {
        const relay = relayAt(question.port);
        relays.delete(question.port);
        await relay[Symbol.asyncDispose]();
      }
    }
  });
  for (const relay of relays.values()) await relay[Symbol.asyncDispose]();
}

if (import.meta.main) await main();
