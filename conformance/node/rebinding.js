// Names that lead elsewhere when they are asked for again, by a name server that is real: no webhook gets to an address
// that only this server reaches, and nothing is fetched from one. All of it in a network of its own, where whoever were
// reached would be seen.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { check } from './check.js';
import { Company } from './rebinding/company.js';
import { NameServer } from './rebinding/names.js';
import { INSIDE, PUBLIC, PUBLIC_SIX, asksOurNames, openNetwork } from './rebinding/network.js';
import { DOMAIN, Receiver } from './rebinding/receiver.js';
import { Database, Server, endWorld, until } from './world.js';

const NOT_PUBLIC = 'The URL leads to an address that is not public';
/** What a delivery may take, in milliseconds. */
const LIMIT = 15_000;

let names, receiver, server;
try {
  openNetwork();
  names = await NameServer.create();
  receiver = await Receiver.create();
  const database = await Database.create();
  const settings = { COUNTERSIGN_OUTGOING_TO_PRIVATE: 'false', SSL_CERT_FILE: receiver.authority };
  server = await Server.create(database, settings, asksOurNames(process.env.BINARY, 'serve'));
  await tryEverything();
} finally {
  receiver?.end();
  names?.end();
  await endWorld();
}

/** For a name of its own, which has these addresses, look-up by look-up. */
function webhookOf(company, label, lookups, events) {
  const host = `${label}.${DOMAIN}`;
  names.script(host, ...lookups);
  return company.webhook(host, events);
}

function arrived(attempt) {
  assert.deepEqual([attempt.status, attempt.problem], [200, null]);
}

/** What a person sees whom a client sends whose document is at the host. */
async function pageOf(host) {
  const client = encodeURIComponent(`https://${host}/client.json`);
  return (await fetch(`${server.url}/oauth/authorize?client_id=${client}`)).text();
}

/** In milliseconds. */
function end({ at, duration_ms }) {
  return Date.parse(at) + duration_ms;
}

function isRefused(attempt) {
  assert.deepEqual([attempt.status, attempt.problem], [null, NOT_PUBLIC]);
}

/** Whatever is tried: nobody comes to an address that is not public, and nobody comes and says nothing. */
function holds(words, body) {
  return check(words, async () => {
    receiver.forget();
    await body();
    const inside = receiver.connections.filter((address) => ![...PUBLIC, PUBLIC_SIX].includes(address));
    assert.deepEqual(inside, []);
    assert.equal(receiver.connections.length, receiver.requests.length);
  });
}

function assertSigned({ headers, body }, secret) {
  assert.equal(headers['x-countersign-signature'], createHmac('sha256', secret).update(body).digest('hex'));
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  assert.equal(headers['webhook-signature'], `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
}

async function tryEverything() {
  await holds('a webhook arrives at the address of its name, signed; each delivery asks for the name once', async () => {
    const company = await Company.create(server, 'plain');
    const kinds = { four: [PUBLIC[0]], six: [PUBLIC_SIX], both: [PUBLIC[1], PUBLIC_SIX] };
    await Promise.all(Object.entries(kinds).map(async ([label, addresses]) => {
      const webhook = await webhookOf(company, label, [addresses]);
      for (const count of [1, 2]) {
        arrived(await company.deliver(webhook));
        const requests = receiver.of(webhook.host);
        assert.equal(requests.length, count);
        assert.ok(addresses.includes(requests.at(-1).to), requests.at(-1).to);
        assertSigned(requests.at(-1), webhook.secret);
        assert.deepEqual(names.asked(webhook.host), { A: count, AAAA: count });
      }
    }));
  });

  await holds('each delivery goes to the address that its own look-up had', async () => {
    const company = await Company.create(server, 'moving');
    const course = [PUBLIC[0], PUBLIC[1], PUBLIC_SIX];
    const webhook = await webhookOf(company, 'moving', course.map((address) => [address]));
    for (const _ of course) arrived(await company.deliver(webhook));
    assert.deepEqual(receiver.of(webhook.host).map(({ to }) => to), course);
    assert.deepEqual(names.asked(webhook.host), { A: course.length, AAAA: course.length });
  });

  await holds('a name that is public once and never again: one webhook arrives, all later ones are refused', async () => {
    const company = await Company.create(server, 'rebound');
    await Promise.all(INSIDE.map(async (address, index) => {
      const webhook = await webhookOf(company, `rebound-${index}`, [[PUBLIC[0]], [address]]);
      arrived(await company.deliver(webhook));
      for (const _ of [1, 2]) isRefused(await company.deliver(webhook));
      assert.deepEqual(receiver.of(webhook.host).map(({ to }) => to), [PUBLIC[0]]);
      assert.deepEqual(names.asked(webhook.host), { A: 3, AAAA: 3 });
    }));
  });

  await holds('an event that is tried again, by itself or by hand, is refused when the name has moved inside', async () => {
    const company = await Company.create(server, 'retried');
    const webhook = await webhookOf(company, 'retried', [[PUBLIC[1]], [INSIDE[0]]], ['api_key.created']);
    receiver.answer(webhook.host, 503);
    await company.makeKey();
    const [{ id }] = await company.log(webhook);
    const [first, second] = await company.attempts(webhook, id, 2);
    assert.equal(first.status, 503);
    isRefused(second);
    await company.redeliver(webhook, id);
    isRefused((await company.attempts(webhook, id, 3)).at(-1));
    assert.equal(receiver.of(webhook.host).length, 1);
  });

  await holds('a name that changes with each query: who is let in is who was checked, however many go at once', async () => {
    const company = await Company.create(server, 'flipping');
    const flips = Array.from({ length: 12 }, (_, index) => [index % 2 ? INSIDE[0] : PUBLIC[0]]);
    const webhook = await webhookOf(company, 'flipping', flips);
    for (let index = 0; index < 4; index++) (index % 2 ? isRefused : arrived)(await company.deliver(webhook));
    const tests = await Promise.all(Array.from({ length: 8 }, () => company.test(webhook)));
    const attempts = (await Promise.all(tests.map((id) => company.attempts(webhook, id)))).flat();
    const answered = attempts.filter(({ status }) => status === 200);
    attempts.filter(({ status }) => status !== 200).forEach(isRefused);
    assert.equal(answered.length, 4);
    assert.deepEqual(receiver.of(webhook.host).map(({ to }) => to), Array(6).fill(PUBLIC[0]));
    assert.deepEqual(names.asked(webhook.host), { A: 12, AAAA: 12 });
  });

  await holds('a name with a public address and one inside is refused, in either order', async () => {
    const company = await Company.create(server, 'mixed');
    const mixtures = INSIDE.flatMap((address) => [[PUBLIC[0], address], [address, PUBLIC[0]], [PUBLIC_SIX, address]]);
    await Promise.all(mixtures.map(async (addresses, index) => {
      const webhook = await webhookOf(company, `mixed-${index}`, [addresses]);
      isRefused(await company.deliver(webhook));
      assert.deepEqual(receiver.of(webhook.host), []);
    }));
  });

  await holds('a name that only leads inside is refused, in whatever clothes the address comes', async () => {
    const company = await Company.create(server, 'disguised');
    const disguises = [['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['::ffff:169.254.169.254'], ['::127.0.0.1'], ['0.0.0.0'], ['::'],
      ['64:ff9b::127.0.0.1'], ['2002:7f00:1::1'], ['fd00:ec2::254'], ['fe80::1'], ['public.example', '127.0.0.1'],
      ['one.example', 'other.example', PUBLIC[0], '::1']];
    await Promise.all(disguises.map(async (addresses, index) => {
      const webhook = await webhookOf(company, `disguised-${index}`, [addresses]);
      isRefused(await company.deliver(webhook));
      assert.deepEqual(names.asked(webhook.host), { A: 1, AAAA: 1 });
    }));
  });

  await holds('a redirect is not followed, and the name in it is not asked for', async () => {
    const company = await Company.create(server, 'redirecting');
    const other = `elsewhere.${DOMAIN}`;
    names.script(other, [PUBLIC[1]], [INSIDE[0]]);
    const hosts = ['127.0.0.1', '[::1]', '169.254.169.254', other, other];
    await Promise.all([301, 302, 303, 307, 308].map(async (status, index) => {
      const webhook = await webhookOf(company, `redirecting-${status}`, [[PUBLIC[0]]]);
      receiver.answer(webhook.host, status, `https://${hosts[index]}/latest/meta-data/`);
      const attempt = await company.deliver(webhook);
      assert.deepEqual([attempt.status, attempt.problem], [status, null]);
      assert.equal(receiver.of(webhook.host).length, 1);
    }));
    assert.deepEqual([receiver.of(other), names.asked(other)], [[], { A: 0, AAAA: 0 }]);
  });

  await holds('the document of a client comes from the address of its name, and from inside never', async () => {
    await Promise.all(INSIDE.map(async (address, index) => {
      const host = `client-${index}.${DOMAIN}`;
      names.script(host, [PUBLIC[0]], [address]);
      assert.match(await pageOf(host), /The content type is not application\/json/);
      for (const _ of [1, 2]) assert.match(await pageOf(host), new RegExp(NOT_PUBLIC));
      assert.deepEqual(receiver.of(host).map(({ to }) => to), [PUBLIC[0]]);
      assert.deepEqual(names.asked(host), { A: 3, AAAA: 3 });
    }));
  });

  await holds('a name that does not exist is no connection', async () => {
    const company = await Company.create(server, 'missing');
    const webhook = await webhookOf(company, 'missing', []);
    const { status, problem } = await company.deliver(webhook);
    assert.equal(status, null);
    assert.match(problem, /^No connection: /);
  });

  await holds('a name server that never answers holds up who asked it, within the limit, and nobody else', async () => {
    const company = await Company.create(server, 'silent');
    // As many as there may be; with four events for each they are more than are sent at once.
    const silent = await Promise.all(Array.from({ length: 20 }, (_, index) =>
      webhookOf(company, `silent-${index}`, [null], ['api_key.created'])));
    const other = await Company.create(server, 'swift');
    const swift = await webhookOf(other, 'swift', [[PUBLIC[0]]]);
    for (let count = 0; count < 4; count++) await company.makeKey();
    const waiting = () => silent.filter(({ host }) => names.asked(host).A > 0);
    await until('the queries', () => waiting().length > 2);
    const arrival = await other.deliver(swift);
    arrived(arrival);
    for (const webhook of waiting().slice(0, 3)) {
      const [attempt] = await company.attempts(webhook, (await company.log(webhook)).at(-1).id);
      assert.deepEqual([attempt.status, attempt.problem], [null, 'No connection: none came about within 5 seconds']);
      assert.ok(attempt.duration_ms < LIMIT, `${attempt.duration_ms} ms`);
      assert.ok(end(attempt) > end(arrival), 'the other did not wait');
    }
  });

  await check('nor does it hold up a server that is to end for longer than what is under way', async () => {
    const asked = Date.now();
    await server.takeAway();
    const took = Date.now() - asked;
    assert.ok(took < 10_000, `${took} ms`);
  });

  await check('a server that may send to private addresses does get inside: it would have been seen', async () => {
    server.env.COUNTERSIGN_OUTGOING_TO_PRIVATE = 'true';
    await server.bringBack();
    const company = await Company.create(server, 'allowed');
    await Promise.all(INSIDE.map(async (address, index) => {
      const webhook = await webhookOf(company, `allowed-${index}`, [[address]]);
      arrived(await company.deliver(webhook));
      assert.deepEqual(receiver.of(webhook.host).map(({ to }) => to), [address]);
    }));
    for (const address of INSIDE) assert.ok(receiver.connections.includes(address), address);
  });
}
