import { manager } from './manager.js';

const status = document.getElementById('status');
const show = user => { status.textContent = user ? `Signed in as ${user.profile.email}` : 'Signed out'; };
const attempt = action => async () => {
  try {
    await action();
  } catch (error) {
    status.textContent = `Failed: ${error.error ?? error.message}`;
  }
};

const on = (id, action) => document.getElementById(id).addEventListener('click', attempt(action));
on('signin', () => manager.signinRedirect());
on('popup', async () => show(await manager.signinPopup()));
on('renew', async () => show(await manager.signinSilent()));
on('revoke', async () => { await manager.revokeTokens(); status.textContent = 'Revoked'; });
on('signout', () => manager.signoutRedirect());
on('popup-signout', async () => { await manager.signoutPopup(); show(null); });

// Session Management 1.0: heard from the frame of the server, and found true by a silent request.
manager.events.addUserSignedOut(() => { status.textContent = 'Signed out elsewhere'; });

// What the tests look at and try.
window.user = () => manager.getUser();
window.tryFetch = async (url, init) => {
  try {
    const response = await fetch(url, init);
    return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), body: await response.text() };
  } catch (error) {
    return { refused: error.message };
  }
};
await attempt(async () => show(await manager.getUser()))();
