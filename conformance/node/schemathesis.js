// Schemathesis makes requests of all kinds from /openapi.json, good and bad, and holds each answer against it: no 5xx,
// no status, header or body that the document does not know.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { check, ISSUER } from './check.js';
import { Dashboard } from './company.js';

const { OPERATOR_EMAIL: email, OPERATOR_PASSWORD: password, ADMIN_KEY, SCHEMATHESIS = 'schemathesis' } = process.env;

/** Its requests are many: the organization of the key gets limits that are out of their way. */
async function lift() {
  const answer = await fetch(`${ISSUER}/v1/auth/test`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  const { organization } = await answer.json();
  const operator = await Dashboard.signIn({ email, password });
  const path = `/admin/organizations/${organization.id}`;
  await operator.send(path, `${path}/plan`, { plan: 'pro', requests_per_hour: '10000000', requests_per_minute: '1000000' });
}

await check('Schemathesis finds nothing that /openapi.json does not say', async () => {
  await lift();
  const schemathesis = spawn(SCHEMATHESIS, [
    'run', `${ISSUER}/openapi.json`,
    '--header', `Authorization: Bearer ${ADMIN_KEY}`,
    '--phases', 'examples,coverage,fuzzing',
    '--max-examples', '15',
    '--seed', '1',
    '--generation-database', 'none',
    '--no-color',
    '--checks', [
      'not_a_server_error',
      'status_code_conformance',
      'content_type_conformance',
      'response_headers_conformance',
      'response_schema_conformance',
    ].join(','),
    // A list that locks the key out would end the run: its own tests are in tests/it/api/ip_allowlist.rs.
    '--exclude-operation-id', 'ip_allowlist_replace',
  ], { cwd: await mkdtemp(join(tmpdir(), 'schemathesis-')), stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  schemathesis.stdout.on('data', (data) => { said += data; });
  schemathesis.stderr.on('data', (data) => { said += data; });
  const [code] = await once(schemathesis, 'close');
  if (code !== 0) throw new Error(said.slice(-12000));
  const tested = said.match(/(\d+) selected \/ (\d+) total/) ?? [];
  console.log(`        ${tested[0] ?? 'operations uncounted'}; ${said.trim().split('\n').at(-1)}`);
});
