// A sign-in that waits for somebody's phone: asks every two seconds how it stands. Without this script the page asks by itself, and has a button.
const waiting = document.querySelector('[data-push]');
const state = new URL(location.href);
state.searchParams.set('handler', 'State');
const ask = async () => {
  try {
    const answer = await fetch(state, { headers: { Accept: 'application/json' }, cache: 'no-store' });
    if (answer.ok) {
      const { state: now } = await answer.json();
      if (now === 'approved') {
        document.getElementById('push-form').requestSubmit();
        return;
      }
      if (now !== 'waiting') {
        location.reload();
        return;
      }
    }
  } catch {
    // No network for a moment: the next time will tell.
  }
  setTimeout(ask, 2000);
};
if (waiting) setTimeout(ask, 2000);
