// mcp-remote, through which programs that know only MCP servers on their own machine reach one that is not: as a
// process of its own, whose person signs in at a browser, or with a phone.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

import { check } from './check.js';
import { open, reader } from './mcp/world.js';
import { endWorld, freePort, scratch } from './world.js';

const PROXY = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js');

let world;
try {
  world = await open();
  await tryEverything();
} finally {
  world?.end();
  await endWorld();
}

/** Starts it with what it kept in `folder`; `visit` is the person, who does what it prints. */
async function connect(folder, visit, ...args) {
  mkdirSync(join(scratch, folder), { recursive: true });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [PROXY, world.resource, ...args],
    // Its own way to a browser comes to nothing.
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: join(scratch, folder), NODE_EXTRA_CA_CERTS: world.proxy.authority, BROWSER: 'true' },
    stderr: 'pipe',
  });
  const client = new Client({ name: 'conformance', version: '1.0.0' });
  let said = '';
  const failed = new Promise((_, reject) => {
    let isVisited = false;
    transport.stderr.on('data', (data) => {
      said += data;
      const [, url] = said.match(/visit(?:ing)?:[^]*?(https?:\S+)\s/) ?? [];
      if (url && !isVisited) visit(url).catch(reject);
      isVisited ||= Boolean(url);
    });
  });
  try {
    await Promise.race([client.connect(transport, { timeout: 60_000 }), failed]);
  } catch (error) {
    await client.close();
    throw new Error(`${error.message}\n${said}`);
  }
  const call = async (name) => (await client.callTool({ name, arguments: {} })).content[0].text;
  return { call, close: () => client.close() };
}

/** Signs in and allows it, and the browser goes where it listens. */
async function atBrowser(url) {
  const person = reader();
  const asked = new URL(url).searchParams;
  assert.equal(asked.get('resource'), world.resource);
  const redirect = await person.authorize(url, { callback: asked.get('redirect_uri') });
  assert.equal((await person.open(redirect)).status, 200);
}

async function nobody(url) {
  throw new Error(`somebody was asked: ${url}`);
}

/** What it keeps of that name, wherever in its folder. */
function kept(folder, name) {
  const [file] = readdirSync(join(scratch, folder), { recursive: true }).filter((file) => file.endsWith(name));
  return JSON.parse(readFileSync(join(scratch, folder, file)));
}

async function tryEverything() {
  await check('from the address of an MCP server alone it registers itself, and a tool answers', async () => {
    const { call, close } = await connect('browser', atBrowser);
    assert.match(await call('read_note'), /^read for \S+/);
    await close();
  });

  await check('started again it asks nobody', async () => {
    const { call, close } = await connect('browser', nobody);
    assert.match(await call('read_note'), /^read for \S+/);
    await close();
  });

  await check('a token that was revoked meanwhile it renews by itself', async () => {
    const { access_token } = kept('browser', 'tokens.json');
    const { client_id } = kept('browser', 'client_info.json');
    await fetch(`${world.server.url}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token: access_token, client_id }) });
    const { call, close } = await connect('browser', nobody);
    assert.match(await call('read_note'), /^read for \S+/);
    assert.notEqual(kept('browser', 'tokens.json').access_token, access_token);
    await close();
  });

  await check('when the server does not know it any more it registers itself again', async () => {
    const { client_id } = kept('browser', 'client_info.json');
    world.database.query("delete from clients where metadata_url is null");
    const { call, close } = await connect('browser', atBrowser);
    assert.match(await call('read_note'), /^read for \S+/);
    assert.notEqual(kept('browser', 'client_info.json').client_id, client_id);
    await close();
  });

  await check('with a document that describes it it registers nothing', async () => {
    const port = await freePort();
    const url = world.site.publish('/mcp-remote.json', {
      client_name: 'Bridge', redirect_uris: ['http://localhost/oauth/callback'], token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    });
    const { call, close } = await connect('document', atBrowser, String(port), '--client-metadata-url', url);
    assert.match(await call('read_note'), /^read for \S+/);
    assert.deepEqual(world.site.requests, ['/mcp-remote.json']);
    await close();
  });

  await check('without a browser its person types a code elsewhere (device grant)', async () => {
    const { call, close } = await connect('device', (url) => reader().decideOnDevice(url), '--device-code');
    assert.match(await call('read_note'), /^read for \S+/);
    await close();
  });
}
