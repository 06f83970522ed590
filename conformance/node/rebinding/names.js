// A name server (RFC 1035) that answers each look-up as it was told to, so that nothing may be remembered.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP, isIPv4 } from 'node:net';

import { LOOPBACK } from '../world.js';

const TYPES = { 1: 'A', 5: 'CNAME', 28: 'AAAA' };
const NUMBERS = Object.fromEntries(Object.entries(TYPES).map(([number, type]) => [type, Number(number)]));
const INTERNET = 1;
/** A response, with recursion asked for and available. */
const ANSWER = 0x8180;
const NO_SUCH_NAME = 3;

export class NameServer {
  #lookups = new Map();
  /** Types and names. */
  #asked = [];

  static async create() {
    const names = new NameServer();
    names.socket = createSocket('udp4');
    names.socket.on('message', (query, from) => {
      const answer = names.#answer(query);
      if (answer) names.socket.send(answer, from.port, from.address);
    });
    await once(names.socket.bind(53, LOOPBACK), 'listening');
    return names;
  }

  /**
   * What a name has: one list of addresses for each look-up, the last for all that follow. What is no address in a
   * list is an alias, and has the addresses after it. `null` instead of a list: no answer. No list: no such name.
   */
  script(name, ...lookups) {
    this.#lookups.set(name, lookups);
  }

  /** How often a name was asked for. One look-up asks for both. */
  asked(name) {
    const count = (type) => this.#asked.filter((asked) => asked === `${type} ${name}`).length;
    return { A: count('A'), AAAA: count('AAAA') };
  }

  end() {
    this.socket.close();
  }

  #answer(query) {
    const { name, type, end } = question(query);
    const lookups = this.#lookups.get(name);
    const given = lookups?.[Math.min(this.asked(name)[type], lookups.length - 1)];
    this.#asked.push(`${type} ${name}`);
    if (given === null) return null;
    const records = [];
    let owner = name;
    for (const value of given ?? []) {
      const kind = { 0: 'CNAME', 4: 'A', 6: 'AAAA' }[isIP(value)];
      if (kind === 'CNAME' || kind === type) records.push(record(owner, kind, value));
      if (kind === 'CNAME') owner = value;
    }
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(given ? ANSWER : ANSWER | NO_SUCH_NAME, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, query.subarray(12, end), ...records]);
  }
}

function question(query) {
  const labels = [];
  let at = 12;
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)], end: at + 5 };
}

/** With a time to live of zero. */
function record(owner, type, value) {
  const data = type === 'CNAME' ? encoded(value) : bytesOf(value);
  const middle = Buffer.alloc(10);
  middle.writeUInt16BE(NUMBERS[type], 0);
  middle.writeUInt16BE(INTERNET, 2);
  middle.writeUInt16BE(data.length, 8);
  return Buffer.concat([encoded(owner), middle, data]);
}

function encoded(name) {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function bytesOf(address) {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // A URL has one form for all ways to write it.
  const halves = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const [head, tail = []] = halves.map((half) => half.split(':').filter(Boolean).map((group) => parseInt(group, 16)));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
