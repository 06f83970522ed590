// What stands around the proxies: a database that can be taken away, a server of its own, an API that knows nothing
// of credentials, and nginx and Caddy with the files of `examples/`.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { BINARY, OUTPUT } = process.env;
const EXAMPLES = resolve(import.meta.dirname, '../../../examples');

/** Of the server; the addresses of callers, which the proxies report, are others of 127.0.0.0/8. */
const LOOPBACK = '127.0.0.1';

/** PostgreSQL gives up rights that root has, and must get here all the same; so must nginx's workers. */
const scratch = mkdtempSync(join(tmpdir(), 'proxies-'));
chmodSync(scratch, 0o755);

const isRoot = process.getuid() === 0;
const children = new Set();

/** Ends all that was started, the last first. */
export async function endWorld() {
  for (const child of [...children].reverse()) await end(child);
  rmSync(scratch, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => endWorld().finally(() => process.exit(1)));

function start(name, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: scratch, ...options });
  const log = createWriteStream(join(OUTPUT, `${name}.log`), { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  child.on('error', (error) => console.error(`${name}: ${error.message}`));
  children.add(child);
  return child;
}

export async function end(child, signal = 'SIGTERM') {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function freePort() {
  const socket = createSocket().listen(0, LOOPBACK);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

async function until(what, isSo) {
  for (let attempt = 0; attempt < 240; attempt++) {
    if (await Promise.resolve().then(isSo).catch(() => false)) return;
    await sleep(250);
  }
  throw new Error(`${what} did not come about; see ${OUTPUT}`);
}

/** A PostgreSQL with one superuser and no password, on a port of the loopback. */
export class Database {
  static async create() {
    const database = new Database();
    database.port = await freePort();
    database.folder = join(scratch, 'postgres');
    mkdirSync(database.folder);
    if (isRoot) execFileSync('chown', ['nobody', database.folder]);
    const data = join(database.folder, 'data');
    database.#run('initdb', '-D', data, '-U', 'countersign', '-A', 'trust', '-E', 'UTF8', '--no-sync');
    await database.bringBack();
    return database;
  }

  get url() {
    return `postgres://countersign@${LOOPBACK}:${this.port}/postgres`;
  }

  async takeAway() {
    await end(this.process, 'SIGINT');
  }

  async bringBack() {
    const { folder, port } = this;
    const args = ['-D', join(folder, 'data'), '-h', LOOPBACK, '-p', port, '-k', folder, '-F'];
    this.process = start('proxies-postgres', binary('postgres'), args, { cwd: folder, ...owner() });
    await until('the database', () => this.query('select 1'));
  }

  /** What an operator does by hand. */
  query(sql) {
    return this.#run('psql', '-d', this.url, '-v', 'ON_ERROR_STOP=1', '-Atc', sql);
  }

  #run(name, ...args) {
    return execFileSync(binary(name), args, { cwd: this.folder, stdio: 'pipe', encoding: 'utf8', ...owner() });
  }
}

function owner() {
  if (!isRoot) return {};
  const id = (kind) => Number(execFileSync('id', [kind, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function binary(name) {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => b - a) : [];
  const folders = [...versions.map((version) => join(root, version, 'bin')), ...process.env.PATH.split(':')];
  const folder = folders.find((folder) => existsSync(join(folder, name)));
  assert.ok(folder, `there is no ${name}`);
  return join(folder, name);
}

/** Countersign, which believes what the proxies say of their callers. */
export class Server {
  static async create(database) {
    const server = new Server();
    server.port = await freePort();
    server.url = `http://localhost:${server.port}`;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_'));
    server.env = {
      ...Object.fromEntries(inherited),
      DATABASE_URL: database.url,
      COUNTERSIGN_ISSUER: server.url,
      COUNTERSIGN_LISTEN: `${LOOPBACK}:${server.port}`,
      COUNTERSIGN_METRICS_LISTEN: '',
      COUNTERSIGN_SECRET: 'a secret of the conformance suite, long enough',
      COUNTERSIGN_DATA_DIR: join(scratch, 'data'),
      COUNTERSIGN_TRUSTED_PROXIES: LOOPBACK,
      COUNTERSIGN_NEW_ORGANIZATION_PLAN: 'pro',
    };
    await server.bringBack();
    return server;
  }

  async takeAway() {
    await end(this.process);
  }

  async bringBack() {
    this.process = start('proxies-server', BINARY, ['serve'], { env: this.env });
    await until('the server', async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** What a scriptable command prints. */
  command(...args) {
    return JSON.parse(execFileSync(BINARY, [...args, '--json'], { env: this.env, cwd: scratch, encoding: 'utf8' }));
  }

  key(organization, ...scopes) {
    const named = scopes.flatMap((scope) => ['--scope', scope]);
    return this.command('apikey', 'create', '--organization', organization, '--label', scopes.join(' '), ...named);
  }

  /** Without a proxy between. */
  async call(credential, method, path, body) {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const answer = await fetch(`${this.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) };
  }

  /** Somebody who registers, with an organization and a session of their own. */
  async register(name) {
    const person = { email: `${name}@example.com`, password: 'seven quiet herons at the weir' };
    const registered = await this.call('', 'POST', '/api/auth/register', { ...person, companyName: name });
    assert.equal(registered.status, 201, JSON.stringify(registered.body));
    const { body } = await this.call('', 'POST', '/api/auth/login', person);
    return { organization: registered.body.company.companyId, user: body.user.id, session: body.session.access_token };
  }
}

/** The company's API: answers the same to everybody, and tells what it was sent. */
export class Api {
  /** What reached it. */
  requests = [];

  static async create() {
    const api = new Api();
    const paths = ['/v1/contacts', '/v1/conversations', '/api/agents', '/v1/profile'];
    api.server = createServer(async (request, response) => {
      let length = 0;
      for await (const chunk of request) length += chunk.length;
      const seen = { method: request.method, url: request.url, raw: request.rawHeaders, headers: request.headers, length };
      api.requests.push(seen);
      const { pathname, searchParams } = new URL(request.url, 'http://api');
      const status = Number(searchParams.get('answer') ?? (paths.includes(pathname) ? 200 : 404));
      response.writeHead(status, { 'content-type': 'application/json', 'x-api': 'toy' });
      response.end(JSON.stringify(seen));
    });
    api.server.listen(0, LOOPBACK);
    await once(api.server, 'listening');
    api.port = api.server.address().port;
    return api;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** The file of `examples/`, with each of `changes` made exactly once. */
function example(name, changes) {
  let text = readFileSync(join(EXAMPLES, name), 'utf8');
  for (const [from, to] of changes) {
    assert.equal(text.split(from).length, 2, `${name} has not one ${JSON.stringify(from)}`);
    text = text.replace(from, to);
  }
  return text;
}

export async function startNginx(server, api) {
  const [port, plainPort] = [await freePort(), await freePort()];
  const folder = join(scratch, 'nginx');
  mkdirSync(folder);
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=api.example.com', '-addext', 'subjectAltName=DNS:api.example.com'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi'];
  const paths = temporary.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ');
  writeFileSync(file, example('nginx.conf', [
    ['server 127.0.0.1:8080;', `server ${LOOPBACK}:${server.port};`],
    ['server 127.0.0.1:3000;', `server ${LOOPBACK}:${api.port};`],
    ['listen 80;', `listen ${plainPort};`],
    ['listen 443 ssl;', `listen ${port} ssl;`],
    ['/etc/ssl/certs/api.example.com.pem', certificate],
    ['/etc/ssl/private/api.example.com.key', key],
    ['http {\n', `http { access_log off; ${paths}\n`],
  ]));
  const settings = `daemon off; pid ${join(folder, 'pid')}; error_log stderr;`;
  const nginx = ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find(existsSync) ?? 'nginx';
  start('proxies-nginx', nginx, ['-p', folder, '-c', file, '-e', 'stderr', '-g', settings]);
  await until('nginx', () => isListening(port));
  return { name: 'nginx', port, plainPort, host: 'api.example.com' };
}

export async function startCaddy(server, api) {
  const port = await freePort();
  const folder = join(scratch, 'caddy');
  mkdirSync(folder);
  const file = join(folder, 'Caddyfile');
  const settings = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system ${folder}\n}\n`;
  writeFileSync(file, `${settings}import ${join(EXAMPLES, 'Caddyfile')}\n`);
  const env = {
    ...process.env,
    HOME: folder,
    // A name of this machine: Caddy makes the certificate itself.
    SITE: `https://localhost:${port}`,
    COUNTERSIGN: `${LOOPBACK}:${server.port}`,
    UPSTREAM: `${LOOPBACK}:${api.port}`,
  };
  start('proxies-caddy', 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { env });
  await until('Caddy', () => isListening(port));
  return { name: 'Caddy', port, host: 'localhost' };
}

function isListening(port) {
  return fetch(`http://${LOOPBACK}:${port}/`).then(() => true, (error) => error.cause?.code !== 'ECONNREFUSED');
}
