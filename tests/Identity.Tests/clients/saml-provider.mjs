// npm samlify as a SAML identity provider: one provider a path, all in this process.
// It prints its address, reads {"clientUrl", "key", "certificate"} from standard input, prints "ready", and ends when standard input does.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import * as samlify from 'samlify';

const { Constants, IdentityProvider, SamlLib, ServiceProvider } = samlify.default ?? samlify;
(samlify.default ?? samlify).setSchemaValidator({ validate: async () => 'not looked at: the other side is what is tested' });
const { binding, names } = { binding: Constants.namespace.binding, names: 'urn:oasis:names:tc:SAML:2.0:' };

// Settings of ours (idp) and of what we take the application for (sp).
const providers = {
  'saml-redirect': { idp: {} },
  'saml-post': { idp: {} },
  'saml-both-signed': { idp: {}, sp: { wantMessageSigned: true } },
  'saml-encrypted': { idp: { isAssertionEncrypted: true } },
  'saml-encrypted-gcm': { idp: { isAssertionEncrypted: true, dataEncryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm' } },
  'saml-sha512': { idp: { requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512' } },
};
const template = SamlLib.defaultLoginResponseTemplate.context
  .replace('{AuthnStatement}', `<saml:AuthnStatement AuthnInstant="{AuthnInstant}" SessionIndex="{SessionIndex}"><saml:AuthnContext><saml:AuthnContextClassRef>${names}ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`)
  .replace('{AttributeStatement}', '<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue xsi:type="xs:string">{Mail}</saml:AttributeValue></saml:Attribute><saml:Attribute Name="givenName"><saml:AttributeValue xsi:type="xs:string">Ada</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>');

const seen = [];
const sessions = new Map();
const asked = new Map();
let origin;
let settings;

async function open(name) {
  const provider = providers[name];
  const at = (path) => `${origin}/${name}/${path}`;
  provider.self ??= IdentityProvider({
    entityID: at('metadata'),
    privateKey: settings.key,
    signingCert: settings.certificate,
    wantAuthnRequestsSigned: true,
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    nameIDFormat: [`${names}nameid-format:persistent`],
    singleSignOnService: [binding.redirect, binding.post].map((Binding) => ({ Binding, Location: at('sso') })),
    singleLogoutService: [binding.redirect, binding.post].map((Binding) => ({ Binding, Location: at('slo') })),
    loginResponseTemplate: { context: template, attributes: [] },
    ...provider.idp,
  });
  provider.other ??= ServiceProvider({
    metadata: await (await fetch(`${settings.clientUrl}/external/${name}/metadata`)).text(),
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    ...provider.sp,
  });
  return provider;
}

const page = (title, body) => `<!DOCTYPE html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}`;
const form = (address, fields) => page('One moment', `<form method="post" action="${address}">${Object.entries(fields).map(([key, value]) => `<input type="hidden" name="${key}" value="${value}">`).join('')}<button>Continue</button></form><script>document.forms[0].submit()</script>`);
const octets = (query) => query.split('&').filter((part) => !part.startsWith('Signature=')).join('&');

async function respond(name, request, session) {
  const { self, other } = await open(name);
  const now = new Date();
  const later = new Date(now.getTime() + 300_000).toISOString();
  const made = await self.createLoginResponse(other, request, 'post', { email: session.login }, (context) => {
    const id = `_${randomUUID()}`;
    const consumer = other.entityMeta.getAssertionConsumerService('post');
    return {
      id,
      context: SamlLib.replaceTagsByValue(context, {
        ID: id, AssertionID: `_${randomUUID()}`, Destination: consumer, SubjectRecipient: consumer, Audience: other.entityMeta.getEntityID(), Issuer: self.entityMeta.getEntityID(),
        IssueInstant: now.toISOString(), ConditionsNotBefore: now.toISOString(), ConditionsNotOnOrAfter: later, SubjectConfirmationDataNotOnOrAfter: later, StatusCode: `${names}status:Success`,
        InResponseTo: request.extract.request.id, NameIDFormat: `${names}nameid-format:persistent`, NameID: `person-${session.login}`, AuthnInstant: session.at, SessionIndex: session.index,
        Mail: `${session.login}@${name}.example.com`,
      }),
    };
  });
  return form(made.entityEndpoint, { SAMLResponse: made.context });
}

async function handle(name, path, request, query, body) {
  const { self, other } = await open(name);
  const method = request.method === 'POST' ? 'post' : 'redirect';
  const message = { query: Object.fromEntries(new URLSearchParams(query)), body, octetString: octets(query) };
  const cookie = new RegExp(`${name}-session=([^;]+)`).exec(request.headers.cookie ?? '')?.[1];
  const session = sessions.get(cookie);
  const fields = method === 'post' ? body : message.query;
  switch (path) {
    case '/metadata':
      return { type: 'application/samlmetadata+xml', body: self.getMetadata() };
    case '/sso': {
      const login = await self.parseLoginRequest(other, method, message);
      const fresh = /ForceAuthn="true"/.test(login.samlContent);
      seen.push(`${name} AuthnRequest by ${method}${fresh ? ', anew' : ''}`);
      if (session && !fresh) return { body: await respond(name, login, session) };
      asked.set(login.extract.request.id, login);
      return { body: page('Sign in at the other provider', `<form method="post" action="sign-in"><input type="hidden" name="id" value="${login.extract.request.id}"><label>Login <input name="login"></label><button>Sign in</button></form>`) };
    }
    case '/sign-in': {
      const fresh = { login: body.login, index: `_${randomUUID()}`, at: new Date().toISOString() };
      const key = randomUUID();
      sessions.set(key, fresh);
      return { cookie: `${name}-session=${key}; Path=/${name}; HttpOnly`, body: await respond(name, asked.get(body.id), fresh) };
    }
    case '/sign-out': {
      // Begun here: by redirect, or by POST where asked.
      sessions.delete(cookie);
      const user = { logoutNameID: `person-${session.login}`, sessionIndex: session.index };
      if (query === 'post') {
        const made = self.createLogoutRequest(other, 'post', user);
        return { body: form(made.entityEndpoint, { SAMLRequest: made.context }) };
      }
      return { location: self.createLogoutRequest(other, 'redirect', user).context };
    }
    case '/slo': {
      if (fields.SAMLResponse) {
        await self.parseLogoutResponse(other, method, message);
        seen.push(`${name} LogoutResponse by ${method}`);
        return { body: page('Signed out everywhere', '') };
      }
      const logout = await self.parseLogoutRequest(other, method, message);
      const index = logout.extract.sessionIndex;
      const ended = [...sessions].filter(([, { login, index: own }]) => index === own && logout.extract.nameID === `person-${login}`);
      seen.push(`${name} LogoutRequest by ${method}, of ${ended.length} session`);
      for (const [key] of ended) sessions.delete(key);
      return { location: self.createLogoutResponse(other, logout, 'redirect').context };
    }
    default:
      return { status: 404, body: '' };
  }
}

const server = createServer(async (request, response) => {
  const [, name, path, query] = /^\/([a-z0-9-]+)(\/[^?]*)\??(.*)$/.exec(request.url) ?? [];
  if (name === 'control') { response.end(JSON.stringify(seen)); return; }
  if (!providers[name]) { response.writeHead(404).end(); return; }
  let text = '';
  for await (const chunk of request) text += chunk;
  try {
    const done = await handle(name, path, request, query, Object.fromEntries(new URLSearchParams(text)));
    if (done.cookie) response.setHeader('set-cookie', done.cookie);
    if (done.location) response.writeHead(302, { location: done.location }).end();
    else response.writeHead(done.status ?? 200, { 'content-type': done.type ?? 'text/html; charset=utf-8' }).end(done.body);
  } catch (error) {
    seen.push(`${name} ${path} ${error.message ?? error}`);
    response.writeHead(400, { 'content-type': 'text/plain' }).end(String(error.message ?? error));
  }
});
server.listen(0, '127.0.0.1', () => {
  origin = `http://127.0.0.1:${server.address().port}`;
  console.log(origin);
});

const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  settings = JSON.parse(line);
  console.log('ready');
});
lines.on('close', () => process.exit(0));
