import { manager } from './manager.js';

try {
  if (new URLSearchParams(location.search).has('signed-out')) {
    await manager.signoutCallback();
  } else {
    await manager.signinCallback();
    if (window === window.parent && !window.opener) {
      location.replace('index.html');
    }
  }
} catch (error) {
  document.getElementById('status').textContent = `Failed: ${error.message}`;
}
