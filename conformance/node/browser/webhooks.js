// Webhooks: added, tried, seen to arrive with a signature that verifies, rotated, deleted.

import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { check } from '../check.js';
import { owner } from './account.js';
import { assertQuiet, confirm, go, look, open, press, signIn } from './chromium.js';

/** Whoever receives the events; answers what it is told to. */
async function receive() {
  const receiver = { heard: [], status: 200 };
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    receiver.heard.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(receiver.status, { 'content-type': 'text/html' }).end('<b>Taken</b> & noted');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  receiver.url = `http://127.0.0.1:${server.address().port}/events`;
  receiver.close = () => server.close();
  return receiver;
}

/** Waits for what the server does by itself. */
async function until(isSo) {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, 'it does not happen');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** As the page of AI Connect OS tells its users to do it. */
function verify(rawBody, header, secret) {
  const expected = createHmac('sha256', secret).update(rawBody).digest('hex');
  return timingSafeEqual(Buffer.from(header), Buffer.from(expected));
}

export async function webhooks() {
  const receiver = await receive();
  const page = await open();
  const content = () => page.getByRole('main').innerText();
  await page.goto('/settings/webhooks');
  await signIn(page, owner);
  await look(page, 'webhooks-none');

  const secret = await check('a webhook is added, and its secret shown', async () => {
    await page.getByLabel('URL').fill(receiver.url);
    await page.getByLabel('Description').fill('Billing');
    await page.getByLabel('api_key.created').check();
    await page.getByLabel('grant.replayed').check();
    await press(page, 'Add webhook');
    return page.getByRole('textbox', { name: 'Secret' }).inputValue();
  });
  await look(page, 'webhook-added');

  await check('a test event arrives, signed', async () => {
    await go(page, 'I have copied it');
    await look(page, 'webhook-new');
    await press(page, 'Send a test event');
    await until(() => receiver.heard.length === 1);
    const { headers, body } = receiver.heard[0];
    assert.ok(verify(body, headers['x-stride-signature'], secret));
    assert.equal(JSON.parse(body).type, 'webhook.test');
    assert.equal(JSON.parse(body).id, headers['webhook-id']);
    assert.match(headers['webhook-signature'], /^v1,/);
  });

  await check('the log shows the answer as text, and sends an event again', async () => {
    await until(async () => {
      await page.reload();
      return /delivered/.test(await content());
    });
    await page.getByText('Event and answers').first().click();
    assert.match(await content(), /<b>Taken<\/b> & noted/);
    await press(page, 'Send again');
    await until(() => receiver.heard.length === 2);
    assert.equal(receiver.heard[1].headers['webhook-id'], receiver.heard[0].headers['webhook-id']);
  });

  await check('an event that is not taken will be sent again', async () => {
    receiver.status = 500;
    await page.goto('/settings/api');
    await page.getByLabel('Label').fill('Watched');
    await press(page, 'Make key');
    await until(() => receiver.heard.length >= 3);
    await page.goto('/settings/webhooks');
    await go(page, 'Billing');
    await until(async () => {
      await page.reload();
      return /will be tried again/.test(await content());
    });
    receiver.status = 200;
  });
  await page.getByText('Event and answers').first().click();
  await look(page, 'webhook');

  await check('rotating gives a new secret; for a while both sign', async () => {
    await go(page, 'Rotate the secret');
    await look(page, 'webhook-rotate');
    await page.getByLabel('In 1 hour').check();
    await press(page, 'Rotate');
    const next = await page.getByRole('textbox', { name: 'Secret' }).inputValue();
    assert.notEqual(next, secret);
    await go(page, 'I have copied it');
    const before = receiver.heard.length;
    await press(page, 'Send a test event');
    await until(() => receiver.heard.slice(before).some(({ body }) => JSON.parse(body).type === 'webhook.test'));
    const { headers, body } = receiver.heard.slice(before).find((one) => JSON.parse(one.body).type === 'webhook.test');
    assert.ok(verify(body, headers['x-stride-signature'], next));
    assert.equal(headers['webhook-signature'].split(' ').length, 2);
  });

  await check('disabled it is sent nothing, and can be enabled', async () => {
    await press(page, 'Disable');
    assert.match(await content(), /nothing more is sent to it/);
    await look(page, 'webhook-disabled');
    await press(page, 'Enable');
    assert.match(await content(), /The webhook is enabled/);
  });

  await check('an address that will not do is said to be', async () => {
    await page.goto('/settings/webhooks');
    await page.getByLabel('URL').fill('ftp://hooks.example/');
    await press(page, 'Add webhook');
    assert.match(await content(), /must begin with https:/);
  });
  await look(page, 'webhooks-refused');

  await check('deleted it is gone', async () => {
    await page.goto('/settings/webhooks');
    await look(page, 'webhooks');
    await go(page, 'Billing');
    await go(page, 'Delete webhook');
    await look(page, 'webhook-delete');
    await confirm(page);
    assert.match(await content(), /was deleted/);
    assert.match(await content(), /No webhooks yet/);
  });

  await check('webhook pages: the console stayed empty', () => {
    // The refused form is an answer of 422.
    assertQuiet(page);
  });
  await page.context().close();
  receiver.close();
}
