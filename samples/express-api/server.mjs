// An API behind access tokens: ISSUER and AUDIENCE say whose and for whom (RFC 6750, RFC 9068).
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = process.env.ISSUER ?? 'http://localhost:8016';
const audience = process.env.AUDIENCE ?? 'https://api.example.com/notes';
const allowedOrigin = process.env.ALLOWED_ORIGIN ?? 'http://localhost:5173';
const algorithms = (process.env.ALGORITHMS ?? 'ES256').split(',');

const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));

const requireScope = scope => async (req, res, next) => {
  const token = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
  if (!token) return res.status(401).set('WWW-Authenticate', 'Bearer').end();
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms, typ: 'at+jwt', requiredClaims: ['exp', 'sub', 'client_id'], clockTolerance: 30 });
    if (!String(payload.scope ?? '').split(' ').includes(scope)) {
      return res.status(403).set('WWW-Authenticate', `Bearer error="insufficient_scope", scope="${scope}"`).end();
    }
    req.caller = payload;
    next();
  } catch (error) {
    if (!error.code?.startsWith('ERR_J')) return next(error);
    console.warn('Refused:', error.message);   // the caller is not told what was wrong with it; you are
    res.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end();
  }
};

const app = express();

// CORS: pages at one origin may call this from a browser. It is no protection of the API: tokens are.
app.use((req, res, next) => {
  res.set({ 'Access-Control-Allow-Origin': allowedOrigin, 'Access-Control-Expose-Headers': 'WWW-Authenticate', Vary: 'Origin' });
  if (req.method !== 'OPTIONS') return next();
  res.set({ 'Access-Control-Allow-Methods': 'GET, POST', 'Access-Control-Allow-Headers': 'Authorization, Content-Type' }).status(204).end();
});
app.get('/notes', requireScope('notes.read'), (req, res) => res.json({ notes: ['buy milk'], caller: req.caller.sub }));
app.post('/notes', requireScope('notes.write'), (req, res) => res.status(201).json({ id: 1 }));
const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
