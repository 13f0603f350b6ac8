// The application's whole configuration of oidc-client-ts; the page's query says which scope it asks for.
const { UserManager } = window.oidc;

const { authority } = await (await fetch('/app/settings.json')).json();
const here = new URL('.', import.meta.url).href;

export const manager = new UserManager({
  authority,
  client_id: 'notes',
  redirect_uri: here + 'callback.html',
  popup_redirect_uri: here + 'callback.html',
  silent_redirect_uri: here + 'callback.html',
  post_logout_redirect_uri: here + 'index.html',
  popup_post_logout_redirect_uri: here + 'callback.html?signed-out',
  scope: sessionStorage.getItem('scope') ?? 'openid profile email',
  loadUserInfo: true,
  automaticSilentRenew: false,
  monitorSession: sessionStorage.getItem('monitor') !== null,
  checkSessionIntervalInSeconds: 1,
  silentRequestTimeoutInSeconds: 15,
});
