// Somebody at a browser: what they do and see, in the words of stories. The names of what is on the page are those that
// `web/README.md` promises. Nothing here waits for time to pass: everything waits for something to be seen.
import assert from 'node:assert/strict';
import { Chat } from './chat.js';
import { WITHIN } from './within.js';

const PASSWORD = 'correct horse battery';


/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Locator} Locator */

export class Person {
  /** What happened on their pages that should not have: dialogs, errors of scripts, what the policy had to stop. */
  /** @type {string[]} */
  surprises = [];
  token = '';
  id = '';
  /** @type {Page} the tab in front */
  page;
  /** Whether they have a finger and no keyboard: Enter breaks the line then. */
  touches = false;

  /**
   * @param {import('playwright-core').BrowserContext} context
   * @param {import('./server.js').Server} server
   * @param {string} name
   * @param {Page} page
   */
  constructor(context, server, name, page) {
    this.context = context;
    this.server = server;
    this.name = name;
    this.displayName = name[0]?.toUpperCase() + name.slice(1);
    this.page = page;
  }

  /**
   * @param {import('playwright-core').Browser} browser
   * @param {import('./server.js').Server} server
   * @param {string} name
   * @param {import('playwright-core').BrowserContextOptions} [how]
   */
  static async with(browser, server, name, how = {}) {
    const context = await browser.newContext({ baseURL: server.origin, locale: 'en-GB', timezoneId: 'UTC', ...how });
    context.setDefaultTimeout(WITHIN);
    const person = new Person(context, server, name, await context.newPage());
    person.touches = how.hasTouch === true;
    person.#watch(person.page);
    return person;
  }

  /** @param {Page} page */
  #watch(page) {
    page.on('dialog', (dialog) => {
      this.surprises.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => this.surprises.push(`an error: ${error.stack ?? error.message}`));
    page.on('console', (line) => {
      if (/Content Security Policy|Trusted Type|TrustedHTML|TrustedScript/i.test(line.text())) this.surprises.push(line.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(this.server.origin) && !/^(data|blob|about):/.test(url)) this.surprises.push(`a request to ${url}`);
    });
  }

  /** Makes the account without the page; this browser has its cookie then. */
  async hasAnAccount({ displayName = this.displayName } = {}) {
    const answer = await this.context.request.post('/api/auth/register', { data: { username: this.name, password: PASSWORD, displayName } });
    assert.equal(answer.status(), 201, await answer.text());
    const { token, user } = await answer.json();
    Object.assign(this, { token, id: user.id, displayName });
  }

  /** @param {string} path */
  async opens(path) {
    await this.page.goto(path);
    await this.isConnected();
  }

  async isConnected() {
    await this.page.locator('[data-testid="connection"][data-status="connected"]').waitFor({ state: 'attached' });
  }

  async seesThatTheConnectionIsLost() {
    await this.page.locator('[data-testid="connection"][data-status="connecting"]').filter({ hasText: /lost|Reconnecting/ }).waitFor();
  }

  /** Another tab of the same browser, which comes to the front. */
  async opensATab(path = '/') {
    this.page = await this.context.newPage();
    this.#watch(this.page);
    await this.opens(path);
    return this.page;
  }

  /** Back to a tab. @param {Page} page */
  async turnsTo(page) {
    this.page = page;
    await page.bringToFront();
  }

  async createsAnAccount() {
    await this.page.goto('/');
    await this.button('Create an account').click();
    const form = this.page.getByRole('form', { name: 'Create account' });
    await form.getByLabel('Username').fill(this.name);
    await form.getByLabel('Display name').fill(this.displayName);
    await form.getByLabel('Password').fill(PASSWORD);
    await form.getByRole('button', { name: 'Create account' }).click();
    await this.isConnected();
  }

  async signsIn(password = PASSWORD) {
    const form = this.page.getByRole('form', { name: 'Sign in' });
    await form.getByLabel('Username').fill(this.name);
    await form.getByLabel('Password').fill(password);
    await form.getByRole('button', { name: 'Sign in' }).click();
  }

  async signsOut() {
    await this.accountButton.click();
    await this.page.getByRole('dialog', { name: 'Account' }).getByRole('button', { name: 'Sign out' }).click();
    await this.page.getByRole('form', { name: 'Sign in' }).waitFor();
  }

  /** Starts a conversation with somebody by looking for their name. @param {Person} other */
  async startsAChatWith(other) {
    await this.button('New conversation').click();
    const dialog = this.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByRole('tab', { name: 'Person' }).click();
    await dialog.getByRole('searchbox', { name: 'Find people' }).fill(other.name);
    await dialog.locator(`[data-testid="user-result"]`).filter({ hasText: `@${other.name}` }).click();
    return this.chat(other.displayName);
  }

  /** @param {{name: string, password?: string}} what */
  async makesARoom({ name, password }) {
    await this.button('New conversation').click();
    const dialog = this.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByRole('tab', { name: 'Room' }).click();
    await dialog.getByLabel('Name', { exact: true }).fill(name);
    if (password) await dialog.getByLabel('Password (optional)').fill(password);
    await dialog.getByRole('button', { name: 'Create room' }).click();
    return this.chat(name);
  }

  /** Joins by the code that the page has filled in. @param {string} password */
  async joins(password) {
    const dialog = this.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByLabel('Password').fill(password);
    await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  }

  /** Their conversation of this title in the list. @param {string} title */
  conversation(title) {
    return this.page.getByTestId('conversation').filter({ hasText: title });
  }

  /** Chooses a conversation of the list. @param {string} title */
  async turnsToTheChat(title) {
    await this.conversation(title).click();
    return this.chat(title);
  }

  /** The conversation that is shown, which is called so. @param {string} title */
  async chat(title) {
    const chat = new Chat(this);
    await this.page.getByTestId('chat-title').filter({ hasText: title }).waitFor();
    return chat;
  }

  /** The list says that so many messages of this conversation are unread. @param {string} title @param {number} count */
  async seesUnread(title, count) {
    const shown = this.conversation(title).getByTestId('unread-count');
    if (count === 0) await shown.waitFor({ state: 'detached' });
    else await shown.filter({ hasText: new RegExp(`^${count}\\b`) }).waitFor();
  }

  get accountButton() {
    return this.page.getByRole('button', { name: /^Account/ });
  }

  /** @param {string} name */
  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Does something by the API that needs no page. @param {string} method @param {string} path @param {unknown} [json] */
  asks(method, path, json) {
    return this.server.call(method, path, { token: this.token, json });
  }

  /** What a failed story shows of them. */
  async view() {
    const words = await this.page.locator('body').innerText({ timeout: 1000 }).catch(String);
    return `${this.page.url()}\n${words}\n${this.surprises.join('\n')}`;
  }

  leaves() {
    return this.context.close();
  }
}
