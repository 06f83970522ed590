// The pages that explain what went wrong.

import assert from 'node:assert/strict';

import { check, ISSUER } from '../check.js';
import { assertQuiet, look, open } from './chromium.js';

export async function errors() {
  const page = await open();

  await page.goto('/errors');
  await look(page, 'errors');

  await check('every code on the list has its page', async () => {
    const links = await page.locator('main a[href^="/errors/"]').evaluateAll((all) => all.map((link) => link.href));
    assert.ok(links.length > 10, `${links.length} codes`);
    for (const link of links) {
      const answer = await page.request.get(link);
      assert.equal(answer.status(), 200, link);
      assert.match(await answer.text(), new RegExp(`<h1[^>]*>${link.split('/').pop()}</h1>`));
    }
  });

  await check('the page that an error answer points to explains it', async () => {
    const answer = await fetch(`${ISSUER}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', client_id: process.env.PUBLIC_CLIENT }),
    });
    const { error, error_uri } = await answer.json();
    assert.equal(error, 'unsupported_grant_type');
    await page.goto(error_uri);
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), error);
  });
  await look(page, 'error-code');

  await check('what does not exist is 404, on a page with a way on', async () => {
    const answer = await page.goto('/settings/nothing-of-the-kind');
    assert.equal(answer.status(), 404);
    assert.ok(await page.getByRole('heading', { level: 1 }).isVisible());
  });
  await look(page, 'not-found');

  await check('error pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
