// The page of the API, the only one that needs scripts. Its inside is Swagger UI's own: it is not held to what ours are.

import assert from 'node:assert/strict';

import { check, EMAIL, PASSWORD } from '../check.js';
import { assertQuiet, open } from './chromium.js';

const OUTPUT = process.env.OUTPUT ?? 'output';

async function sessionToken() {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ email: EMAIL, password: PASSWORD });
  const answer = await fetch(`${process.env.ISSUER}/api/auth/login`, { method: 'POST', headers, body });
  return (await answer.json()).session.access_token;
}

export async function docs() {
  const page = await open();
  const foreign = [];
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== process.env.ISSUER && protocol !== 'data:') foreign.push(request.url());
  });

  await check('/docs shows every call of the document, in both schemes, wide and narrow', async () => {
    const { paths } = await (await fetch(`${process.env.ISSUER}/openapi.json`)).json();
    const calls = Object.values(paths).flatMap((item) => Object.keys(item)).length;
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [1280, 390]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        await page.goto('/docs');
        await page.locator('.opblock').first().waitFor();
        assert.equal(await page.locator('.opblock').count(), calls);
        assert.equal(await page.locator('html.dark-mode').count(), colorScheme === 'dark' ? 1 : 0);
        assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= width, `wider than ${width}`);
        await page.screenshot({ path: `${OUTPUT}/screenshots/docs-${colorScheme}-${width}.png` });
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  await check('and a call can be tried there', async () => {
    await page.getByRole('button', { name: 'Authorize', exact: true }).click();
    const bearer = page.locator('.modal-ux .auth-container', { hasText: 'bearer' });
    await bearer.locator('input').first().fill(await sessionToken());
    await bearer.locator('button.authorize').first().click();
    await page.locator('.modal-ux .btn-done').first().click();
    const call = page.locator('[id$="-auth_test_get"]');
    await call.locator('.opblock-summary-control').click();
    await call.getByRole('button', { name: 'Try it out' }).click();
    await call.getByRole('button', { name: 'Execute' }).click();
    const status = call.locator('.live-responses-table .response .response-col_status');
    assert.match(await status.innerText(), /^200/);
  });

  await check('without a word to anybody else, and the console stayed empty', () => {
    assert.deepEqual(foreign, []);
    assertQuiet(page);
  });
  await page.context().close();
}
