// Schemathesis makes requests of all kinds from /openapi.json, good and bad, and holds each answer against it.
//
// Not all of its checks: `positive_data_acceptance` wants every request that fits its schema to be accepted, but that a
// scope exists, an expiry lies ahead or an Idempotency-Key was not used before is nothing that a schema can say.

import { equal } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { check, EMAIL, ISSUER, PASSWORD, whoIs } from './check.js';
import { Dashboard } from './company.js';

const { OPERATOR_EMAIL, OPERATOR_PASSWORD, SCHEMATHESIS = 'schemathesis' } = process.env;

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
  'use_after_free',
  'ensure_resource_availability',
];

async function send(path, { token, ...body }) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${ISSUER}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const signIn = async (email) => (await send('/api/auth/login', { email, password: PASSWORD })).session.access_token;

/**
 * An organization of its own, on the best plan and with limits that are out of the way. Returns the token of its
 * owner's session, who alone cannot be deleted, revoked or removed in the middle of a run.
 */
async function found() {
  const email = `schemathesis-${EMAIL}`;
  const { company } = await send('/api/auth/register', { email, password: PASSWORD, companyName: 'Schemathesis' });
  const operator = await Dashboard.signIn({ email: OPERATOR_EMAIL, password: OPERATOR_PASSWORD });
  const path = `/admin/organizations/${company.companyId}`;
  await operator.send(path, `${path}/plan`, { plan: 'pro', requests_per_hour: '10000000', requests_per_minute: '1000000' });
  return signIn(email);
}

async function run(credential, ...selection) {
  const schemathesis = spawn(SCHEMATHESIS, [
    'run', `${ISSUER}/openapi.json`,
    '--header', `Authorization: Bearer ${credential}`,
    // Two credentials that differ are refused before anything else is looked at.
    '--generation-with-security-parameters', 'false',
    '--phases', 'examples,coverage,fuzzing,stateful',
    '--max-examples', '15',
    '--seed', '1',
    '--generation-database', 'none',
    '--warnings', 'off',
    '--no-color',
    '--checks', CHECKS.join(','),
    ...selection,
  ], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // It leaves files where it runs.
    cwd: await mkdtemp(join(tmpdir(), 'schemathesis-')),
    env: {
      ...process.env,
      PYTHONPATH: new URL('../python', import.meta.url).pathname,
      SCHEMATHESIS_HOOKS: 'schemathesis_hooks',
    },
  });
  let said = '';
  schemathesis.stdout.on('data', (data) => { said += data; });
  schemathesis.stderr.on('data', (data) => { said += data; });
  const [code] = await once(schemathesis, 'close');
  if (code !== 0) throw new Error(said.slice(-12000));
  const [selected] = said.match(/Selected: .*/) ?? ['operations uncounted'];
  console.log(`        ${selected}; ${said.trim().split('\n').at(-1).replaceAll('=', '').trim()}`);
}

const OF_SESSIONS = ['session_me', 'session_logout'];
// Once it has made a list that it is not in itself, there is nothing more to find for it.
const LAST = 'ip_allowlist_replace';
const each = (flag, ids) => ids.flatMap((id) => [flag, id]);

await check('Schemathesis finds nothing that /openapi.json does not say', async () => {
  const token = await found();
  await run(token, ...each('--exclude-operation-id', [...OF_SESSIONS, LAST]));
  // Or most answers would have been 401.
  equal((await whoIs(token)).status, 200);
  await run(token, '--include-operation-id', LAST);
});

await check('nor with a session', async () => {
  for (const id of OF_SESSIONS) await run(await signIn(EMAIL), '--include-operation-id', id);
});
