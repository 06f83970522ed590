// People at a browser, Chromium: every page, by mouse and by keyboard, with scripts and without.

import { start, stop } from './browser/chromium.js';
import { account } from './browser/account.js';
import { apps } from './browser/apps.js';
import { consent } from './browser/consent.js';
import { device } from './browser/device.js';
import { docs } from './browser/docs.js';
import { errors } from './browser/errors.js';
import { keys } from './browser/keys.js';
import { organization } from './browser/organization.js';
import { playground } from './browser/playground.js';
import { sections } from './browser/sections.js';
import { webhooks } from './browser/webhooks.js';

await start();
try {
  for (const story of [account, keys, consent, device, apps, webhooks, organization, playground, docs, errors, sections]) await story();
} finally {
  await stop();
}
