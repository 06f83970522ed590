// What a suite starts for itself: programs that end with it, a database that can be taken away, and a server with
// settings of its own.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { BINARY, OUTPUT } = process.env;
const suite = basename(process.argv[1], '.js');

/** Where a suite's own programs listen. */
export const LOOPBACK = '127.0.0.1';

/** PostgreSQL gives up rights that root has, and must get here all the same; so must nginx's workers. */
export const scratch = mkdtempSync(join(tmpdir(), `${suite}-`));
chmodSync(scratch, 0o755);

const isRoot = process.getuid() === 0;
const children = new Set();

/** Ends all that was started, the last first. */
export async function endWorld() {
  for (const child of [...children].reverse()) await end(child);
  rmSync(scratch, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => endWorld().finally(() => process.exit(1)));

/** Its output is kept under the suite's name and its own. */
export function start(name, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: scratch, ...options });
  const log = createWriteStream(join(OUTPUT, `${suite}-${name}.log`), { flags: 'a' });
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

export async function freePort() {
  const socket = createSocket().listen(0, LOOPBACK);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

export async function until(what, isSo) {
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
    this.process = start('postgres', binary('postgres'), args, { cwd: folder, ...owner() });
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

/** Countersign. */
export class Server {
  /** `settings` are variables; `line` is what is run, the program first. */
  static async create(database, settings = {}, line = [BINARY, 'serve']) {
    const server = new Server();
    server.line = line;
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
      COUNTERSIGN_NEW_ORGANIZATION_PLAN: 'pro',
      ...settings,
    };
    await server.bringBack();
    return server;
  }

  async takeAway() {
    await end(this.process);
  }

  async bringBack() {
    const [command, ...args] = this.line;
    this.process = start('server', command, args, { env: this.env });
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

  /** With nothing between. */
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
