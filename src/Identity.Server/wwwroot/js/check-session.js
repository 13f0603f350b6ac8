// OpenID Connect Session Management 1.0 §3.2: whether the sign-in of this browser is still the one that an application was told of.
const cookie = document.documentElement.dataset.cookie + '=';
const state = () => document.cookie.split('; ').find((entry) => entry.startsWith(cookie))?.slice(cookie.length);

const hash = async (text) =>
  Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))), (byte) => byte.toString(16).padStart(2, '0')).join('');

const judge = async (message, origin) => {
  const [client, told, ...more] = String(message).split(' ');
  const now = state();

  // A browser that keeps cookies from frames shows none, ever: told "changed", the application would ask and ask again.
  if (!client || !told || more.length > 0 || !now || !crypto.subtle) return 'error';

  // By the origin that asks, so that nobody can ask with a value of somebody else's.
  const salt = told.split('.')[1] ?? '';
  return told === `${await hash(`${client} ${origin} ${now} ${salt}`)}.${salt}` ? 'unchanged' : 'changed';
};

addEventListener('message', async ({ data, origin, source }) => {
  // A frame without an origin cannot be answered, and no application has one.
  if (source && origin !== 'null') source.postMessage(await judge(data, origin), origin);
});
