// An organization: its people, its limits, from where it may be used, and what was done in it. And the server's own
// administration.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { check, EMAIL, PASSWORD } from '../check.js';
import { assertQuiet, confirm, go, look, open, press, signIn } from './chromium.js';

const operator = { email: process.env.OPERATOR_EMAIL, password: process.env.OPERATOR_PASSWORD };

export async function organization() {
  const page = await open();
  await page.goto('/settings/organization');
  await signIn(page, { email: EMAIL, password: PASSWORD });

  await check('a person is invited, and can be seen to be', async () => {
    await page.goto('/settings/organization');
    const form = page.locator('form[action="/settings/organization/invitations"]');
    await form.getByLabel(/e-?mail/i).fill('newcomer@example.com');
    await Promise.all([page.waitForEvent('load'), form.getByRole('button').click()]);
    assert.match(await page.getByRole('main').innerText(), /newcomer@example\.com/);
  });
  await look(page, 'organization');
  await invitation();
  await page.goto('/settings/organization/credits');
  await look(page, 'organization-credits');

  await check('the list of addresses is saved, and one that locks out is asked about first', async () => {
    await page.goto('/settings/api/security');
    await page.locator('textarea').first().fill('203.0.113.0/24\n2001:db8::/32');
    const box = page.locator('input[name=enabled]').first();
    if (await box.count()) await box.check();
    await press(page, /save/i);
    assert.match(await page.getByRole('main').innerText(), /lock|address/i);
  });
  await look(page, 'security');

  await page.goto('/settings/access-log');
  await look(page, 'access-log');
  await page.goto('/settings/audit-log');
  await look(page, 'audit-log');
  await check('what was done stands in the audit log', async () => {
    assert.match(await page.getByRole('main').innerText(), /invit/i);
  });
  await check('organization pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
  await administration();
}

/** As who was invited sees it: mail is written to the log where no server for it is configured. */
async function invitation() {
  const log = await readFile(`${process.env.OUTPUT ?? 'output'}/server.log`, 'utf8');
  const page = await open();
  await page.goto(log.match(/\/invitations\/\w+/g).at(-1));
  await check('the link in the mail leads to what one is invited to', async () => {
    const words = await page.getByRole('main').innerText();
    assert.match(words, /Demo/);
    assert.match(words, /newcomer@example\.com/);
  });
  await look(page, 'invitation');
  await page.context().close();
}

async function administration() {
  const page = await open();
  await page.goto('/admin/organizations');
  await signIn(page, operator);
  await look(page, 'admin-organizations');

  await check('a plan is changed, credit granted, and an organization suspended and resumed', async () => {
    await page.goto('/admin/organizations?q=Owls');
    await go(page, 'Owls & Sons');
    await page.getByLabel('Plan', { exact: true }).selectOption('starter');
    await press(page, 'Save');
    await page.getByLabel('Amount').fill('2.50');
    await page.getByLabel('Reason').fill('A present');
    await press(page, 'Move credit');
    assert.match(await page.getByRole('main').innerText(), /7\.50/);
    await go(page, 'Suspend Owls & Sons');
    await look(page, 'admin-suspend');
    await confirm(page);
    assert.match(await page.getByRole('main').innerText(), /Suspended/);
  });
  await look(page, 'admin-organization');
  await check('it is resumed', async () => {
    await press(page, 'Resume');
    assert.doesNotMatch(await page.getByRole('main').innerText(), /Suspended/);
  });

  await page.goto('/admin/people');
  await look(page, 'admin-people');
  await page.goto('/admin/apps');
  await look(page, 'admin-apps');
  await page.goto('/admin/keys');
  await look(page, 'admin-keys');
  await page.goto('/admin/audit-log');
  await look(page, 'admin-audit-log');
  await page.goto('/docs');
  await page.screenshot({ path: `${process.env.OUTPUT ?? 'output'}/screenshots/docs.png` });
  await check('administration: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
