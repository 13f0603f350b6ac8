// Serves the page's files and nothing else. PORT, ISSUER and API_URL say where; the page reads the last two from settings.json.
import { readFile } from 'node:fs/promises';
import http from 'node:http';

const issuer = process.env.ISSUER ?? 'http://localhost:8016';
const api = process.env.API_URL ?? 'http://localhost:3000';
const files = {
  '/': ['index.html', 'text/html'],
  '/app.js': ['app.js', 'text/javascript'],
  '/oidc-client-ts.min.js': ['node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', 'text/javascript'],
};

const server = http.createServer(async (req, res) => {
  const path = new URL(req.url, 'http://localhost').pathname;
  if (path === '/settings.json') return res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ issuer, api }));
  if (!files[path]) return res.writeHead(404).end();
  res.setHeader('Content-Type', files[path][1] + '; charset=utf-8');
  // What runs in the page may read its tokens, so nothing runs but these files.
  res.setHeader('Content-Security-Policy', `default-src 'none'; script-src 'self'; connect-src 'self' ${issuer} ${api}; base-uri 'none'; frame-ancestors 'none'`);
  res.end(await readFile(new URL(files[path][0], import.meta.url)));
});
server.listen(Number(process.env.PORT ?? 5173), 'localhost', () => console.log(`listening on ${server.address().port}: http://localhost:${server.address().port}/`));
