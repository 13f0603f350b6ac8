// A person at a browser without JavaScript: keeps cookies, follows redirects, fills in the forms it is shown.
import { parse } from 'node-html-parser';

export class Browser {
  cookies = new Map();

  async fetch(url, init = {}) {
    const headers = new Headers(init.headers);
    if (this.cookies.size > 0) headers.set('cookie', [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; '));
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';');
      const at = pair.indexOf('=');
      const name = pair.slice(0, at), value = pair.slice(at + 1);
      const gone = value === '' || attributes.some(a => /^\s*expires=.*(1970|1601)/i.test(a) || /^\s*max-age=0\s*$/i.test(a));
      if (gone) this.cookies.delete(name); else this.cookies.set(name, value);
    }
    return response;
  }

  // Follows redirects until a page is shown or the address starts with `stopAt`, which belongs to the client.
  async go(url, init = {}, stopAt = '\0') {
    for (let hops = 0; hops < 15; hops++) {
      if (String(url).startsWith(stopAt)) return { url: new URL(url), page: null, status: 302 };
      const response = await this.fetch(url, init);
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location) {
        url = new URL(location, url).href;
        init = {};
        continue;
      }
      const text = await response.text();
      return { url: new URL(url), status: response.status, text, page: parse(text) };
    }
    throw new Error('too many redirects, last ' + url);
  }

  // Submits the page's main form (the one with a password field, else the first POST form) with the given answers by autocomplete token or name.
  async submit(at, answers, stopAt, button) {
    const forms = at.page.querySelectorAll('form').filter(f => (f.getAttribute('method') ?? 'get').toLowerCase() === 'post');
    const form = forms.find(f => f.querySelector('input[type=password]')) ?? forms[0];
    if (!form) throw new Error(`no form on ${at.url}: ${at.text?.slice(0, 400)}`);
    const body = new URLSearchParams();
    for (const field of form.querySelectorAll('input, textarea')) {
      const name = field.getAttribute('name');
      if (!name || ['submit', 'button'].includes(field.getAttribute('type'))) continue;
      if (['checkbox', 'radio'].includes(field.getAttribute('type')) && !field.hasAttribute('checked')) continue;
      const complete = field.getAttribute('autocomplete')?.split(' ') ?? [];
      const key = Object.keys(answers).find(k => complete.includes(k) || k === name);
      body.append(name, key ? answers[key] : field.getAttribute('value') ?? '');
    }
    const buttons = form.querySelectorAll('button').filter(b => b.hasAttribute('name') || b.hasAttribute('formaction'));
    const pressed = button ? buttons.find(b => button.test(b.text)) : buttons.find(b => b.hasAttribute('name'));
    if (pressed?.hasAttribute('name')) body.append(pressed.getAttribute('name'), pressed.getAttribute('value') ?? '');
    const action = new URL((pressed?.getAttribute('formaction') ?? form.getAttribute('action')) || at.url.href, at.url);
    return this.go(action.href, {
      method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded', origin: at.url.origin, referer: at.url.href },
    }, stopAt);
  }

  // Opens the link that a device shows, signs in, and answers.
  async verify(url, { email, password }, button) {
    const page = await this.submit(await this.go(url), { username: email, 'current-password': password });
    const forms = page.page.querySelectorAll('form');
    if (!forms.some(f => f.querySelector('[name=user_code]'))) throw new Error(`no question on ${page.url}: ${page.text.slice(0, 400)}`);
    const done = await this.submit(page, {}, undefined, button);
    return done.page.querySelector('h1').text;
  }

  // Opens the authorization URL, signs in where asked, consents where asked, and returns the address the client is called back at.
  async authorize(url, { email, password, redirectUri }) {
    let at = await this.go(url, {}, redirectUri);
    for (let step = 0; step < 4 && at.page; step++) {
      at = await this.submit(at, { username: email, email, 'current-password': password }, redirectUri, step === 0 ? undefined : /^allow/i);
    }
    if (at.page) throw new Error(`no way on from ${at.url}: ${at.page.querySelector('h1')?.text}`);
    return at.url;
  }
}
