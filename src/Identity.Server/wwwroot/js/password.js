// Helps with password fields: a button that shows them, a word about Caps Lock, and at new ones their length and how soon they are guessed. Improvements: nothing is there without it.
const add = (after, name, attributes) => {
  const element = Object.assign(document.createElement(name), attributes);
  after.after(element);
  return element;
};

for (const input of document.querySelectorAll('.password > input[data-show]')) {
  const { show, hide, shown, hidden } = input.dataset;
  const button = document.createElement('button');
  const status = document.createElement('span');
  button.type = 'button';
  button.textContent = show;
  button.setAttribute('aria-controls', input.id);
  button.setAttribute('aria-label', `${show}: ${input.labels[0]?.textContent ?? ''}`);
  status.className = 'visually-hidden';
  status.setAttribute('role', 'status');

  const reveal = (visible) => {
    input.type = visible ? 'text' : 'password';
    button.textContent = visible ? hide : show;
    button.setAttribute('aria-label', `${button.textContent}: ${input.labels[0]?.textContent ?? ''}`);
    status.textContent = visible ? shown : hidden;
  };
  button.addEventListener('click', () => reveal(input.type === 'password'));
  // What is sent must be a password again: browsers offer to remember text fields.
  input.form?.addEventListener('submit', () => { input.type = 'password'; });
  input.after(button, status);

  const field = input.parentElement;
  const caps = add(field, 'p', { className: 'hint', role: 'status', hidden: true });
  for (const kind of ['keydown', 'keyup']) {
    input.addEventListener(kind, (event) => {
      const on = event.getModifierState?.('CapsLock') ?? false;
      caps.hidden = !on;
      caps.textContent = on ? input.dataset.caps : '';
    });
  }
  input.addEventListener('blur', () => { caps.hidden = true; });
  if (input.dataset.strength) advise(input, field);
}

function advise(input, field) {
  const meter = add(field, 'meter', { max: 4, low: 2, high: 3, optimum: 4, hidden: true, ariaLabel: input.dataset.strengthLabel });
  const length = add(meter, 'p', { className: 'hint', hidden: true });
  const told = add(length, 'p', { className: 'hint', role: 'status' });
  let timer;
  let asked;

  const ask = async () => {
    asked?.abort();
    asked = new AbortController();
    const body = new URLSearchParams({ password: input.value });
    for (const other of input.form.elements) {
      if (/username|email|given-name|family-name/.test(other.autocomplete) && other.value) body.append('own', other.value);
    }
    try {
      const answer = await fetch(`${input.dataset.strength}?ui_locales=${document.documentElement.lang}`, { method: 'POST', body, signal: asked.signal });
      if (!answer.ok) return;
      const { score, text } = await answer.json();
      // Nothing drawn would look as if nothing had been judged.
      meter.value = score || 0.4;
      told.textContent = text;
    } catch {
      // Overtaken by the next letter, or no network: the form tells when it is sent.
    }
  };

  input.addEventListener('input', () => {
    clearTimeout(timer);
    const typed = [...input.value].length;
    meter.hidden = length.hidden = typed === 0;
    length.textContent = input.dataset.length.replace('{0}', typed);
    if (typed === 0) told.textContent = '';
    else timer = setTimeout(ask, 400);
  });
}
