// A network of the suite's own, in which the internet is this machine: public addresses that are ours here and
// nowhere else, beside those that a rebinding name would lead to.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { LOOPBACK, scratch } from '../world.js';

export const PUBLIC = ['93.184.215.14', '8.8.4.4'];
export const PUBLIC_SIX = '2606:4700::1111';
/** This machine, the clouds' metadata, and a machine of a company's own. */
export const INSIDE = ['127.0.0.1', '::1', '169.254.169.254', '10.0.0.5'];

export function openNetwork() {
  // Elsewhere the addresses would be taken from whom they belong to.
  assert.equal(Object.keys(networkInterfaces()).length, 0, 'this suite wants a network namespace of its own: conformance/run rebinding');
  ip('link', 'set', 'lo', 'up');
  for (const address of [...PUBLIC, '169.254.169.254', '10.0.0.5']) ip('address', 'add', `${address}/32`, 'dev', 'lo');
  ip('-6', 'address', 'add', `${PUBLIC_SIX}/128`, 'dev', 'lo', 'nodad');
}

function ip(...args) {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/**
 * Runs a program that asks our name server, and nobody else, for names: it alone sees these files. A look-up that is
 * not answered goes on for twenty seconds, whoever has given it up.
 */
export function asksOurNames(...line) {
  const files = { 'resolv.conf': `nameserver ${LOOPBACK}\noptions timeout:10 attempts:2\n`, 'nsswitch.conf': 'hosts: files dns\n' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(scratch, name), text);
  const mounts = Object.keys(files).map((name) => `mount --bind ${join(scratch, name)} /etc/${name}`);
  return ['unshare', '--mount', 'sh', '-c', [...mounts, 'exec "$@"'].join(' && '), 'sh', ...line];
}
