// All that OpenID Connect and the newer standards add to OAuth, with oauth4webapi, which takes nothing that is not to
// the letter.

import { exchange } from './oauth4webapi/exchange.js';
import { device } from './oauth4webapi/device.js';
import { introspection } from './oauth4webapi/introspection.js';
import { keys } from './oauth4webapi/keys.js';
import { logout } from './oauth4webapi/logout.js';
import { proofs } from './oauth4webapi/proofs.js';
import { registration } from './oauth4webapi/registration.js';
import { requests } from './oauth4webapi/requests.js';
import { signIn } from './oauth4webapi/sign_in.js';

for (const story of [registration, signIn, requests, keys, proofs, device, exchange, introspection, logout]) await story();
