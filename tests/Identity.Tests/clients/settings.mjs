// What the test that starts these clients tells them.
function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these clients are started by the .NET tests (OidcClientTests)`);
  return value;
}

export const issuer = new URL(need('ISSUER'));
export const person = { email: need('PERSON_EMAIL'), password: need('PERSON_PASSWORD') };
export const redirectUri = 'http://127.0.0.1:4711/callback';
export const clients = {
  public: { client_id: 'spa' },
  tv: { client_id: 'tv' },
  basic: { client_id: 'web-basic', client_secret: need('CLIENT_SECRET') },
  post: { client_id: 'web-post', client_secret: need('CLIENT_SECRET') },
  service: { client_id: 'service', client_secret: need('CLIENT_SECRET') },
  exchanger: { client_id: 'exchanger', client_secret: need('CLIENT_SECRET'), audience: 'https://api.example.com/orders' },
  jwt: { client_id: 'web-jwt', jwk: JSON.parse(need('CLIENT_JWK')) },
};
