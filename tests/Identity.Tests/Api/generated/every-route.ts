// A TypeScript client that openapi-typescript made of the document calls every route of it. Each answer has to fit its schema, and each 201 says where.
// Environment: BASE_URL, DOCUMENT (the file), OUTBOX (where mail is written as files), ADMIN_EMAIL, ADMIN_PASSWORD.
import { createHmac } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import createClient, { type Middleware } from 'openapi-fetch';
import type { paths } from './api.js';

const { BASE_URL: baseUrl, DOCUMENT, OUTBOX, ADMIN_EMAIL, ADMIN_PASSWORD } = process.env as Record<string, string>;
const document = JSON.parse(readFileSync(DOCUMENT, 'utf8'));
const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormatsModule as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema(document, 'openapi');
const called = new Set<string>();
const succeeded = new Set<string>();
const problems: string[] = [];

const escape = (text: string) => text.replaceAll('~', '~0').replaceAll('/', '~1');

const checked: Middleware = {
  async onResponse({ response, request, schemaPath }) {
    const method = request.method.toLowerCase();
    const name = `${method} ${schemaPath}`;
    called.add(name);
    const pointer = `/paths/${escape(schemaPath)}/${method}/responses/${response.status}`;
    const described = document.paths[schemaPath][method].responses[response.status];
    if (!described) {
      problems.push(`${name}: ${response.status} is not described: ${await response.clone().text()}`);
      return;
    }
    if (response.ok) succeeded.add(name);
    if (response.status === 201 && !response.headers.get('location')) problems.push(`${name}: 201 without Location`);
    if (response.status === 204) return;
    const type = (response.headers.get('content-type') ?? '').split(';')[0];
    if (type !== 'application/json') {
      if (!described.content?.[type]) problems.push(`${name}: ${response.status}: ${type} is not described`);
      return;
    }
    const body = await response.clone().json();
    const validate = ajv.compile({ $ref: `openapi#${encodeURI(pointer)}/content/application~1json/schema` });
    if (!validate(body)) problems.push(`${name}: ${response.status}: ${ajv.errorsText(validate.errors)}`);
  },
};

function client(token?: string) {
  const made = createClient<paths>({ baseUrl, headers: token ? { Authorization: `Bearer ${token}` } : {} });
  made.use(checked);
  return made;
}

function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (!answer.response.ok) throw new Error(`${answer.response.url}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data as T;
}

async function code(email: string, not?: string): Promise<string> {
  for (let attempt = 0; attempt < 400; attempt++) {
    try {
      for (const file of readdirSync(OUTBOX).filter(name => name.endsWith('.eml')).sort().reverse()) {
        const mail = readFileSync(`${OUTBOX}/${file}`, 'utf8');
        const found = /\b\d{6}\b/.exec(mail.slice(mail.indexOf('\r\n\r\n')))?.[0];
        if (mail.includes(`To: ${email}`) && found && found !== not) return found;
      }
    } catch { /* there is no mail yet */ }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`no code came for ${email}`);
}

// RFC 6238, as authenticator apps do it.
function totp(secret: string): string {
  let bits = '';
  for (const letter of secret) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0');
  const key = Buffer.from(bits.match(/.{8}/g)!.map(byte => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac('sha1', key).update(counter).digest();
  return ((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).toString().padStart(6, '0');
}

const anybody = client();
const email = `ts${Date.now()}@example.com`;
const password = 'a sound pass phrase 7';
const service = must(await anybody.GET('/api/identity'));
if (!service.openApi?.endsWith('/openapi/v1.json') || !service.asyncApi) problems.push('GET /api/identity does not point to its documents');

const registered = must(await anybody.POST('/api/identity/register', { body: { email, password, firstName: 'Ada', metadata: { newsletter: true } } }));
const id = registered.id;
const refused = await anybody.POST('/api/identity/register', { body: { email: 'nobody', password: 'x' } });
if (!Array.isArray(refused.error?.message)) problems.push('what does not validate is told by problem');
must(await anybody.POST('/api/identity/otp/generate', { body: { email, channel: 'email', purpose: 'verification' } }));
const first = await code(email);
must(await anybody.POST('/api/identity/otp/verify', { body: { email, purpose: 'verification', code: first } }));
let tokens = must(await anybody.POST('/api/identity/login', { body: { email, password } }));
const seconds: number = tokens.expiresIn;
if (seconds !== 3600) problems.push(`expiresIn is ${seconds}`);
tokens = must(await anybody.POST('/api/identity/refresh-token', { body: { refreshToken: tokens.refreshToken } }));
let self = client(tokens.accessToken);
must(await self.GET('/api/identity/users/me'));
must(await self.GET('/api/identity/users/{id}', { params: { path: { id } } }));
must(await self.PUT('/api/identity/users/{id}', { params: { path: { id } }, body: { lastName: 'Lovelace', metadata: { theme: 'dark' } } }));
must(await self.GET('/api/identity/users/{id}/data', { params: { path: { id } } }));

const device = must(await self.POST('/api/identity/devices', { body: { platform: 'ios', token: '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad', deviceId: 'phone-1' } }));
must(await self.GET('/api/identity/devices'));
const signIn = { params: { path: { id: crypto.randomUUID() } } };
const unsigned = { deviceId: device.id, signature: 'AAAA' };
const waiting = await anybody.GET('/api/identity/devices/sign-ins', { params: { query: { deviceId: device.id, time: '1767225600', signature: 'AAAA' } } });
if (waiting.error?.errorCode !== 'invalid_signature') problems.push('sign-ins are told without a signature');
await anybody.POST('/api/identity/devices/sign-ins/{id}/approve', { ...signIn, body: { ...unsigned, number: '57', userVerified: true } });
await anybody.POST('/api/identity/devices/sign-ins/{id}/deny', { ...signIn, body: unsigned });
await self.POST('/api/identity/factors/push');
await self.PUT('/api/identity/factors/push', { body: { withoutPassword: true } });
await self.POST('/api/identity/factors/proof/push');
must(await self.DELETE('/api/identity/devices/{id}', { params: { path: { id: device.id } } }));

must(await self.GET('/api/identity/factors'));
must(await self.POST('/api/identity/factors/proof', { body: { currentPassword: password } }));
const enrolment = must(await self.POST('/api/identity/factors/totp'));
const added = must(await self.POST('/api/identity/factors/totp/confirm', { body: { enrolmentToken: enrolment.enrolmentToken, code: totp(enrolment.secret) } }));
const recovery = added.recoveryCodes!;
must(await self.POST('/api/identity/factors/email'));
await self.POST('/api/identity/factors/sms');
must(await self.POST('/api/identity/factors/proof/code', { body: { method: 'email' } }));
await self.POST('/api/identity/factors/proof/passkey');
const challenge = await self.POST('/api/identity/factors/passkeys/options');
await self.POST('/api/identity/factors/passkeys', { body: { passkeyToken: challenge.data?.passkeyToken ?? 'none', name: 'Key', credential: { id: 'AAAA' } } });
await self.PUT('/api/identity/factors/{id}', { params: { path: { id: added.factor!.id } }, body: { name: 'Phone' } });
must(await self.DELETE('/api/identity/factors/browsers'));
await self.DELETE('/api/identity/factors/browsers/{id}', { params: { path: { id } } });
const half = await anybody.POST('/api/identity/login', { body: { email, password } });
if (half.error?.errorCode !== 'mfa_required') problems.push('the second factor is not asked for');
must(await anybody.POST('/api/identity/login/code', { body: { mfaToken: half.error!.mfaToken, method: 'email' } }));
must(await anybody.POST('/api/identity/login/passkey', { body: {} }));
await anybody.POST('/api/identity/login/push', { body: { mfaToken: half.error!.mfaToken! } });
// Somebody who has a factor adds none in a sign-in.
await anybody.POST('/api/identity/login/enrol/totp', { body: { mfaToken: half.error!.mfaToken! } });
await anybody.POST('/api/identity/login/enrol/passkey', { body: { mfaToken: half.error!.mfaToken! } });
tokens = must(await anybody.POST('/api/identity/login', { body: { mfaToken: half.error!.mfaToken, code: recovery[0], method: 'recovery_code' } }));
self = client(tokens.accessToken);
must(await self.POST('/api/identity/factors/proof', { body: { code: recovery[1], method: 'recovery_code' } }));
must(await self.POST('/api/identity/factors/recovery-codes'));
await self.DELETE('/api/identity/factors/{id}', { params: { path: { id: added.factor!.id } } });
await anybody.POST('/api/identity/sso/openam', { body: { ssoToken: 'none' } });

const admin = client(must(await anybody.POST('/api/identity/login', { body: { email: ADMIN_EMAIL, password: ADMIN_PASSWORD } })).accessToken);
must(await admin.GET('/api/identity/users', { params: { query: { search: 'ts', isActive: true, limit: 10 } } }));
await admin.GET('/api/identity/users', { params: { query: { limit: 5000 } } });
const other = must(await admin.POST('/api/identity/users', { body: { email: `other-${email}`, emailVerified: true }, params: { header: { 'Idempotency-Key': email } } }));
const others = { params: { path: { id: other.id } } };
must(await admin.POST('/api/identity/users/{id}/unlock', others));
must(await admin.POST('/api/identity/users/{id}/sign-out', others));
must(await admin.POST('/api/identity/users/{id}/password', { ...others, body: { newPassword: 'staple of another colour' } }));
must(await admin.DELETE('/api/identity/users/{id}', others));
must(await admin.GET('/api/identity/roles'));
const role = { params: { path: { name: `r${Date.now()}` } } };
must(await admin.PUT('/api/identity/roles/{name}', { ...role, body: { description: 'Tries' } }));
must(await admin.PUT('/api/identity/roles/{name}', { ...role, body: { description: 'Tries again' } }));
must(await admin.DELETE('/api/identity/roles/{name}', role));
const job = must(await admin.POST('/api/identity/users/import', {
  body: `{"email":"import-${email}"}\n`, bodySerializer: text => text, headers: { 'Content-Type': 'application/x-ndjson' },
}));
must(await admin.GET('/api/identity/imports/{id}', { params: { path: { id: job.id } } }));
must(await admin.GET('/api/identity/imports/{id}/refusals', { params: { path: { id: job.id }, query: { limit: 5 } } }));

must(await admin.GET('/api/identity/users/export', { params: { query: { format: 'csv' } }, parseAs: 'text' }));
const nowhere = { params: { path: { id: crypto.randomUUID() } } };
await admin.GET('/api/identity/exports/{id}', nowhere);
await admin.GET('/api/identity/exports/{id}/file', nowhere);

must(await self.POST('/api/identity/password/change', { body: { currentPassword: password, newPassword: 'another pass phrase 8' } }));
must(await anybody.POST('/api/identity/password/forgot', { body: { email } }));
await anybody.POST('/api/identity/password/reset', { body: { email, code: '000000', newPassword: 'a third pass phrase 9' } });
must(await self.POST('/api/identity/logout', { body: {} }));
await anybody.GET('/api/identity/users/me');

const described = Object.entries(document.paths as Record<string, Record<string, unknown>>)
  .flatMap(([path, operations]) => Object.keys(operations).filter(key => ['get', 'put', 'post', 'delete'].includes(key)).map(method => `${method} ${path}`));
for (const route of described) if (!called.has(route)) problems.push(`${route} was not called`);
const failed = described.filter(route => !succeeded.has(route));
console.log(JSON.stringify({ called: called.size, failed, problems }, null, 1));
process.exitCode = problems.length > 0 ? 1 : 0;
