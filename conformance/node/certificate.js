// A certificate for this run, by an authority of its own that a suite has its server trust.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { scratch } from './world.js';

/** `authority` is a file. */
export function certificate(host) {
  const file = (name) => join(scratch, name);
  const make = (name, ...args) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '2', '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), ...args], { stdio: 'pipe' });
  make('authority', '-subj', '/CN=Authority of the conformance suite');
  make('site', '-subj', '/CN=Site of the conformance suite', '-CA', file('authority.pem'), '-CAkey', file('authority.key'),
    '-addext', `subjectAltName=DNS:${host}`, '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth');
  return { key: readFileSync(file('site.key')), cert: readFileSync(file('site.pem')), authority: file('authority.pem') };
}
