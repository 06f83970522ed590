// An MCP client that knows nothing but the address of an MCP server, with the MCP SDK in both of its generations: it
// finds the way to a token by itself, and on when the token is not enough.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as second from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { check } from './check.js';
import { CALLBACK, Host } from './mcp/host.js';
import { open, reader } from './mcp/world.js';
import { endWorld, scratch } from './world.js';

const run = promisify(execFile);

const GENERATIONS = [
  { name: 'SDK 1', Client, StreamableHTTPClientTransport, UnauthorizedError },
  { name: 'SDK 2', ...second },
];

// SDK 2 says what it forgets.
console.warn = () => {};

let world;
try {
  world = await open();
  for (const sdk of GENERATIONS) {
    await fromNothing(sdk);
    await byDocument(sdk);
  }
  await withProofs();
  await everythingElse();
} finally {
  world?.end();
  await endWorld();
}

function text(answer) {
  return answer.content[0].text;
}

/** A connection of this program to the MCP server. */
function connection(sdk, host) {
  const transport = new sdk.StreamableHTTPClientTransport(new URL(world.resource), { authProvider: host });
  const client = new sdk.Client({ name: 'conformance', version: '1.0.0' });
  return { transport, client, connect: () => client.connect(transport), call: (name) => client.callTool({ name, arguments: {} }) };
}

/** Whatever it does sends the person to a browser; then they decide, and it is told where they came back. */
async function authorize(sdk, host, { transport }, body, decision) {
  const before = host.asked.length;
  await assert.rejects(body(), (error) => {
    assert.ok(error instanceof sdk.UnauthorizedError || error.cause instanceof sdk.UnauthorizedError, String(error));
    return true;
  });
  assert.equal(host.asked.length, before + 1);
  const asked = host.asked.at(-1);
  const redirect = await reader().authorize(asked.href, { callback: CALLBACK, ...decision });
  const answer = new URL(redirect).searchParams;
  assert.equal(answer.get('state'), asked.searchParams.get('state'));
  assert.equal(answer.get('iss'), world.server.url);
  await transport.finishAuth(sdk === GENERATIONS[0] ? answer.get('code') : answer);
  return asked.searchParams;
}

async function connected(sdk, host, decision) {
  const first = connection(sdk, host);
  const asked = await authorize(sdk, host, first, first.connect, decision);
  const next = connection(sdk, host);
  await next.connect();
  return { ...next, asked };
}

async function fromNothing(sdk) {
  const { name } = sdk;
  const host = new Host();

  const session = await check(`${name}: from a 401 it finds the server, registers itself and asks for what the call takes`, async () => {
    const session = await connected(sdk, host, { scopes: ['read', 'offline_access'] });
    const { asked } = session;
    assert.equal(asked.get('resource'), world.resource);
    assert.equal(asked.get('code_challenge_method'), 'S256');
    assert.deepEqual(asked.get('scope').split(' ').filter((scope) => scope !== 'offline_access'), ['read']);
    const { aud, scope } = JSON.parse(Buffer.from(host.tokens().access_token.split('.')[1], 'base64url'));
    assert.equal(aud, world.resource);
    assert.ok(!scope.split(' ').includes('write'));
    return session;
  });

  await check(`${name}: it lists tools and calls one, for the person who allowed it`, async () => {
    const { tools } = await session.client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name), ['read_note', 'write_note']);
    assert.match(text(await session.call('read_note')), /^read for \S+/);
  });

  await check(`${name}: when its token is at its end it refreshes, and nobody is asked`, async () => {
    const { access_token, refresh_token } = host.tokens();
    await revoke(host, access_token);
    await session.call('read_note');
    assert.notEqual(host.tokens().access_token, access_token);
    assert.notEqual(host.tokens().refresh_token, refresh_token);
    assert.equal(host.asked.length, 1);
  });

  await check(`${name}: a tool that takes more leads to the person once more, and then works`, async () => {
    // This generation refreshes first, which cannot help, and then gives up; its hosts forget the refresh token.
    if (sdk === GENERATIONS[0]) host.saveTokens({ ...host.tokens(), refresh_token: undefined });
    const asked = await authorize(sdk, host, session, () => session.call('write_note'));
    assert.ok(['read', 'write'].every((scope) => asked.get('scope').split(' ').includes(scope)), asked.get('scope'));
    assert.match(text(await session.call('write_note')), /^written for \S+/);
  });

  await check(`${name}: when the person has taken access back it asks them again`, async () => {
    await revoke(host, host.tokens().refresh_token);
    await authorize(sdk, host, session, () => session.call('read_note'));
    assert.ok(host.forgotten.includes('tokens'));
    await session.call('read_note');
  });

  await check(`${name}: when the server does not know it any more it registers itself again`, async () => {
    const { client_id } = host.clientInformation();
    world.database.query("delete from clients where name = 'Assistant'");
    await authorize(sdk, host, session, () => session.call('read_note'));
    assert.notEqual(host.clientInformation().client_id, client_id);
    await session.call('read_note');
  });
}

async function revoke(host, token) {
  const body = new URLSearchParams({ token, client_id: host.clientInformation().client_id });
  assert.equal((await fetch(`${world.server.url}/oauth/revoke`, { method: 'POST', body })).status, 200);
}

async function byDocument(sdk) {
  await check(`${sdk.name}: with a document that describes it nobody registers anything`, async () => {
    const { site, resource } = world;
    const path = `/${sdk.name.replace(' ', '')}.json`;
    // Without a port: a program on the person's machine listens where it finds room.
    const metadata = { ...new Host().clientMetadata, client_name: 'Documented', redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'] };
    const host = new Host({ clientMetadataUrl: site.publish(path, metadata) });
    const session = await connected(sdk, host);
    assert.equal(session.asked.get('client_id'), host.clientMetadataUrl);
    const { client_id, aud } = JSON.parse(Buffer.from(host.tokens().access_token.split('.')[1], 'base64url'));
    assert.deepEqual([client_id, aud], [host.clientMetadataUrl, resource]);
    await session.call('read_note');
    await revoke(host, host.tokens().access_token);
    await session.call('read_note');
    assert.deepEqual(site.requests.filter((url) => url === path), [path], 'the document was fetched once');
  });
}

async function withProofs() {
  const [, sdk] = GENERATIONS;
  await check('SDK 2: with proofs its token is bound to a key, and the proxy has both checked (DPoP)', async () => {
    const session = await second.DpopSession.create();
    const host = new Host({ dpop: () => session });
    const { call } = await connected(sdk, host);
    assert.equal(host.tokens().token_type.toLowerCase(), 'dpop');
    assert.match(text(await call('read_note')), /^read for \S+/);
    const stolen = { method: 'POST', headers: { authorization: `Bearer ${host.tokens().access_token}` } };
    assert.equal((await fetch(world.resource, stolen)).status, 401);
    await revoke(host, host.tokens().access_token);
    await call('read_note');
  });
}

async function everythingElse() {
  await check("a token for the MCP server is none for the server's own API", async () => {
    const host = new Host();
    await connected(GENERATIONS[0], host);
    const own = await fetch(`${world.server.url}/v1/auth/test`, { headers: { authorization: `Bearer ${host.tokens().access_token}` } });
    assert.equal(own.status, 401);
  });

  await check('a browser of another origin finds everything: metadata, registration, and why it was refused', async () => {
    const origin = { origin: 'https://inspector.example' };
    const open = async (url, options = {}) => {
      const answer = await fetch(url, { ...options, headers: { ...origin, ...options.headers } });
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', url);
      return answer;
    };
    const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,mcp-protocol-version' } };
    for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
      await open(`${world.server.url}${path}`, { headers: { 'mcp-protocol-version': '2025-11-25' } });
    }
    for (const path of ['/oauth/register', '/oauth/token']) {
      const answer = await open(`${world.server.url}${path}`, preflight);
      assert.match(answer.headers.get('access-control-allow-headers'), /mcp-protocol-version/i);
    }
    await open(world.resource.replace('/mcp', '/.well-known/oauth-protected-resource/mcp'));
  });

  await check('`countersign doctor mcp` finds nothing that a client would stumble over', async () => {
    const env = { ...process.env, SSL_CERT_FILE: world.proxy.authority };
    const { stdout } = await run(process.env.BINARY, ['doctor', 'mcp', world.resource], { env, cwd: scratch })
      .catch(({ stdout, stderr }) => assert.fail(stdout.split('\n').filter((row) => row.includes('FAIL')).join('\n') || stderr));
    assert.match(stdout, /^.*pass/m);
  });
}
