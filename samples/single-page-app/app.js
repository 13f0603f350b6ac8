// Authorization code with PKCE in a browser (RFC 7636, OAuth 2.0 for Browser-Based Applications) with oidc-client-ts. There is no secret: a page can keep none.
const { UserManager } = window.oidc;
const { issuer, api } = await (await fetch('settings.json')).json();

const manager = new UserManager({
  authority: issuer,
  client_id: 'spa',
  redirect_uri: location.origin + '/',
  post_logout_redirect_uri: location.origin + '/',
  scope: 'openid profile email offline_access notes.read',
  automaticSilentRenew: true,   // shortly before the access token ends, by the refresh token
});

const show = (id, text) => { document.getElementById(id).textContent = text; };
const showUser = user => show('status', user ? `Signed in as ${user.profile.email}` : 'Signed out');
// RFC 6749 §5.2: invalid_grant says that the session has ended, elsewhere or by time. What is kept of it is of no use any more.
const ended = async error => {
  if (error.error !== 'invalid_grant') throw error;
  await manager.removeUser();
  show('status', 'Your session has ended: sign in again');
  show('answer', '');
};
manager.events.addSilentRenewError(error => ended(error).catch(other => show('status', `Failed: ${other.error ?? other.message}`)));

const on = (id, action) => document.getElementById(id).addEventListener('click', () => action().catch(error => show('status', `Failed: ${error.error ?? error.message}`)));

on('sign-in', () => manager.signinRedirect());
on('sign-out', () => manager.signoutRedirect());
on('refresh', async () => {
  const before = await manager.getUser();
  if (!before) return show('answer', 'Sign in first');
  const user = await manager.signinSilent().catch(ended);
  if (user) show('answer', user.access_token === before.access_token ? 'The same token' : `A new token, for ${user.expires_in} s`);
});
on('notes', async () => {
  const user = await manager.getUser();
  const answer = await fetch(`${api}/notes`, { headers: user ? { Authorization: `Bearer ${user.access_token}` } : {} });
  show('answer', answer.ok ? JSON.stringify(await answer.json()) : `The API says ${answer.status}`);
});

// Called back with a code, or with an error; or opened again.
if (new URLSearchParams(location.search).has('state')) {
  try {
    await manager.signinCallback();
  } catch (error) {
    show('answer', error.message);
  }

  history.replaceState(null, '', '/');   // a code is used once: no reload should send it again
}
showUser(await manager.getUser());
