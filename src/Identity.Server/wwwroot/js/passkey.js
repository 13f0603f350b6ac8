// WebAuthn Level 3 §5.1: passkeys, where the browser has them. The page carries the challenge; the answer goes back as a form.
const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

// Browsers of before 2025 lack the JSON methods.
function request(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return { ...options, challenge: bytes(options.challenge), allowCredentials: (options.allowCredentials ?? []).map((c) => ({ ...c, id: bytes(c.id) })) };
}

function creation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: (options.excludeCredentials ?? []).map((c) => ({ ...c, id: bytes(c.id) })),
  };
}

function answer(credential) {
  const { response } = credential;
  const of = (name) => (response[name] ? base64(response[name]) : undefined);
  return JSON.stringify({
    id: credential.id,
    rawId: base64(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: of('clientDataJSON'),
      attestationObject: of('attestationObject'),
      authenticatorData: of('authenticatorData'),
      signature: of('signature'),
      userHandle: of('userHandle'),
      transports: response.getTransports?.(),
    },
  });
}

// A challenge lives five minutes, a page for hours: before it is over the page is asked for a new one.
async function renew(form) {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html');
  const fresh = page.querySelector(`form[data-passkey="${form.dataset.passkey}"]`);
  if (!fresh) return;
  form.dataset.options = fresh.dataset.options;
  form.elements.PasskeyToken.value = fresh.elements.PasskeyToken.value;
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    const button = form.querySelector('button[type="submit"]');
    const problem = form.querySelector('[role="alert"]');
    let waiting;
    let at = Date.now();

    const ask = async (mediation) => {
      waiting?.abort();
      waiting = new AbortController();
      const { signal } = waiting;
      const options = JSON.parse(form.dataset.options);
      const credential = form.dataset.passkey === 'create'
        ? await navigator.credentials.create({ publicKey: creation(options), signal })
        : await navigator.credentials.get({ publicKey: request(options), signal, mediation });
      form.elements.Credential.value = answer(credential);
      HTMLFormElement.prototype.submit.call(form);
    };

    form.hidden = false;
    if (button.autofocus && document.activeElement === document.body) button.focus();
    // In the capture phase, before page.js takes the press for a form that is sent.
    addEventListener('submit', async (event) => {
      if (event.target !== form || form.elements.Credential.value) return;
      event.preventDefault();
      event.stopPropagation();
      if (!form.reportValidity()) return;
      problem.hidden = true;
      button.setAttribute('aria-busy', 'true');
      try {
        if (Date.now() - at > 240000) {
          await renew(form);
          at = Date.now();
        }
        await ask('optional');
      } catch (error) {
        // Given up by the person, refused by the device, timed out: all look alike, so that pages learn nothing of devices. That it has one already is told to who would make another.
        problem.textContent = (form.dataset.passkey === 'create' && error?.name === 'InvalidStateError' && form.dataset.exists) || form.dataset.failed;
        problem.hidden = false;
        button.removeAttribute('aria-busy');
      }
    }, true);

    // The browser offers passkeys among the names it fills in.
    if (form.dataset.conditional && await PublicKeyCredential.isConditionalMediationAvailable?.()) {
      const offer = () => ask('conditional').catch(() => {});
      offer();
      setInterval(async () => {
        if (document.hidden || button.hasAttribute('aria-busy')) return;
        await renew(form).catch(() => {});
        at = Date.now();
        offer();
      }, 240000);
    }
  }
}
