// Adds a show/hide button to password fields: an improvement, so nothing is there without it.
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
}
