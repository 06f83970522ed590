// A company as its customers meet it: one host name, over HTTPS, behind Caddy. What Countersign answers itself goes
// there; everything else is the company's API, of which not a line knows about credentials, behind examples/Caddyfile.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ISSUER } from './check.js';
import { Person } from './person.js';

// Caddy's certificate is its own.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');

export const PASSWORD = 'your-secure-password';

const EXAMPLE = new URL('../../examples/Caddyfile', import.meta.url);
/** What Countersign answers itself. */
const OWN = '/oauth/* /.well-known/* /api/auth/* /v1/auth/* /v1/profile /v1/api-keys* /v1/clients* /v1/webhooks* /v1/organization* /v1/access-log';

const freePort = async () => {
  const socket = createSocket().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
};

/** Starts the API and Caddy before it. `api` answers a path with any JSON. */
export async function open(api) {
  const upstream = createServer((request, response) => {
    const path = new URL(request.url, 'http://api').pathname;
    const found = path in api;
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ? api[path] : { error: { code: 'not_found', message: 'Not found' } }));
  });
  await once(upstream.listen(0, '127.0.0.1'), 'listening');

  const [https, http] = [await freePort(), await freePort()];
  const folder = await mkdtemp(join(tmpdir(), 'caddy-'));
  const example = await readFile(EXAMPLE, 'utf8');
  const site = example.slice(example.indexOf('{\n', example.indexOf('}')) + 2, example.lastIndexOf('}'));
  const config = `{
	admin off
	skip_install_trust
	auto_https disable_redirects
	storage file_system ${folder}/storage
}
(company) {
	@countersign path ${OWN}
	handle @countersign {
		reverse_proxy ${new URL(ISSUER).host}
	}
	handle {
		${site.slice(0, site.indexOf('handle_errors')).trimEnd().replace(/#[^\n]*$/, '')}
	}
	${site.slice(site.indexOf('handle_errors'))}
}
https://localhost:${https} {
	tls internal
	import company
}
http://localhost:${http} {
	import company
}
`;
  await writeFile(join(folder, 'Caddyfile'), config);
  const caddy = spawn('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    env: {
      ...process.env,
      HOME: folder,
      XDG_DATA_HOME: folder,
      COUNTERSIGN: new URL(ISSUER).host,
      UPSTREAM: `127.0.0.1:${upstream.address().port}`,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  caddy.stderr.on('data', (data) => { log += data; });
  const company = {
    url: `https://localhost:${https}`,
    insecureUrl: `http://localhost:${http}`,
    async close() {
      upstream.close();
      upstream.closeAllConnections();
      caddy.kill();
      if (caddy.exitCode === null) await once(caddy, 'exit');
      await rm(folder, { recursive: true });
    },
  };
  for (let attempt = 0; ; attempt++) {
    const isUp = await fetch(`${company.url}/v1/auth/test`).then(() => true, () => false);
    if (isUp) return company;
    if (attempt === 100 || caddy.exitCode !== null) throw new Error(`Caddy does not answer:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Someone who registers as the seeds' customers do; `name` makes the address. */
export async function register(company, name, companyName) {
  const answer = await fetch(`${company.url}/api/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: `${name}@example.com`, password: PASSWORD, companyName }),
  });
  const body = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(body));
  return { email: `${name}@example.com`, password: PASSWORD, ...body };
}

/** A person at the dashboard. */
export class Dashboard {
  #person;

  static async signIn(account) {
    const dashboard = new Dashboard();
    dashboard.#person = new Person(account);
    const page = await dashboard.#person.open(`${ISSUER}/login`);
    const form = page.document.querySelector('form[action="/login"]');
    await dashboard.#person.submit(page, form, account);
    return dashboard;
  }

  open(path) {
    return this.#person.open(`${ISSUER}${path}`);
  }

  /** Sends the form of a page that is posted to `action`. */
  async send(path, action, given) {
    const page = await this.open(path);
    const form = page.document.querySelector(`form[action="${action}"]`);
    assert.ok(form, `no form for ${action} on ${page.status} ${page.url}`);
    return this.#person.submit(page, form, given);
  }

  /** Settings → API keys → New key. */
  async makeKey(label, scopes) {
    const page = await this.send('/settings/api', '/settings/api', { label, scope: scopes, expires_in: 'never' });
    return secretOn(page);
  }
}

/** The secret that a page shows once. */
export function secretOn(page) {
  const shown = page.document?.querySelectorAll('input[readonly]').at(-1);
  assert.ok(shown, `no secret on ${page.status} ${page.url}`);
  return shown.getAttribute('value');
}

/** The person of the company who runs the server puts an organization on a plan. */
export async function putOnPlan(organization, plan) {
  const { OPERATOR_EMAIL: email, OPERATOR_PASSWORD: password } = process.env;
  const operator = await Dashboard.signIn({ email, password });
  const path = `/admin/organizations/${organization}`;
  const page = await operator.send(path, `${path}/plan`, { plan });
  assert.equal(page.status, 200, page.url);
}

/** Answer of an API: status, headers and JSON. */
export async function ask(url, options = {}) {
  const answer = await fetch(url, options);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) };
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });

/** Does something within one minute of the clock, so that a burst meets one window. */
export async function withinAMinute(seconds, body) {
  const left = 60 - (Date.now() / 1000) % 60;
  if (left < seconds) await new Promise((resolve) => setTimeout(resolve, left * 1000 + 100));
  return body();
}
