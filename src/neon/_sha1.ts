/** Its five words. */
type State = readonly [number, number, number, number, number];

const START: State = [
  0x67452301,
  0xefcdab89,
  0x98badcfe,
  0x10325476,
  0xc3d2e1f0,
];

/** Bytes that are mixed at once. */
const BLOCK = 64;

/**
 * SHA-1 (RFC 3174), by which a WebSocket's handshake tells that it was
 * understood: no secret depends on it.
 *
 * `crypto.subtle` gives 60 bytes to another thread and waits for it, which is
 * some 12 % of the CPU of a connection on Deno (measured with Deno 2.9). A
 * library takes as long to load as 25 connections gain.
 *
 * @param message What is hashed.
 * @returns Its 20 bytes.
 */
export function sha1(message: Uint8Array): Uint8Array {
  const padded = pad(message);
  let state = START;
  for (let at = 0; at < padded.byteLength; at += BLOCK) {
    state = mixed(state, wordsOf(padded, at));
  }
  const hash = new DataView(new ArrayBuffer(20));
  for (const [at, word] of state.entries()) hash.setInt32(4 * at, word);
  return new Uint8Array(hash.buffer);
}

/** A one, zeros, and the length in bits, up to whole blocks. */
function pad(message: Uint8Array): DataView {
  const { length } = message;
  const blocks = Math.ceil((length + 9) / BLOCK);
  const padded = new Uint8Array(blocks * BLOCK);
  padded.set(message);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(length) * 8n);
  return view;
}

/** The 80 words of a block; all but the first 16 are mixed of those before. */
function wordsOf(padded: DataView, start: number): DataView {
  const words = new DataView(new ArrayBuffer(4 * 80));
  const word = (at: number) => words.getInt32(4 * at);
  for (let at = 0; at < 80; at++) {
    const value = at < 16
      ? padded.getInt32(start + 4 * at)
      : rotated(word(at - 3) ^ word(at - 8) ^ word(at - 14) ^ word(at - 16), 1);
    words.setInt32(4 * at, value);
  }
  return words;
}

function mixed(state: State, words: DataView): State {
  let [a, b, c, d, e] = state;
  for (let round = 0; round < 80; round++) {
    const next = rotated(a, 5) + chosen(round, b, c, d) + e +
      words.getInt32(4 * round);
    e = d;
    d = c;
    c = rotated(b, 30);
    b = a;
    a = next | 0;
  }
  const [a0, b0, c0, d0, e0] = state;
  return [a0 + a | 0, b0 + b | 0, c0 + c | 0, d0 + d | 0, e0 + e | 0];
}

/** What a round makes of three words, with its constant. */
function chosen(round: number, b: number, c: number, d: number): number {
  if (round < 20) return (b & c | ~b & d) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return (b & c | b & d | c & d) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotated(word: number, bits: number): number {
  return word << bits | word >>> (32 - bits);
}
