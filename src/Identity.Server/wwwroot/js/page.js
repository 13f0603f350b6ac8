// Small improvements for every page; each works without.

// Where the browser does not honour autofocus on the error summary, the script takes its place.
document.querySelector('.error-summary')?.focus();

// A form is sent once, and the button that sent it says that it waits. Coming back by the back button frees it again.
for (const form of document.forms) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = 'true';
    event.submitter?.setAttribute('aria-busy', 'true');
    setTimeout(() => { delete form.dataset.sent; event.submitter?.removeAttribute('aria-busy'); }, 10000);
  });
}
addEventListener('pageshow', () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
    form.querySelectorAll('[aria-busy]').forEach((button) => button.removeAttribute('aria-busy'));
  }
});

// Of tabs that do not fit, the one that is shown is in sight.
const tabs = document.querySelector('.tabs');
const tab = tabs?.querySelector('[aria-current="page"]');
if (tab) tabs.scrollLeft += tab.getBoundingClientRect().left - tabs.getBoundingClientRect().left - (tabs.clientWidth - tab.offsetWidth) / 2;

// Codes copied from a mail come with spaces and hyphens, and some keyboards write Arabic, Persian or full-width digits: each block of them begins with its zero.
const zeros = [0x660, 0x6f0, 0xff10];
const ascii = (digit) => digit.charCodeAt(0) - zeros.find((zero) => digit.charCodeAt(0) - zero >= 0 && digit.charCodeAt(0) - zero < 10);
for (const input of document.querySelectorAll('input.otp')) {
  input.addEventListener('input', () => {
    const digits = input.value.replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, ascii).replace(/\D/g, '').slice(0, 6);
    if (digits !== input.value) input.value = digits;
  });
}
