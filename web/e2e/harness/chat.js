// The conversation in front of somebody: what they say in it and see of it. Made by `Person`.
import { WITHIN } from './within.js';

/** @typedef {import('playwright-core').Locator} Locator */

export class Chat {
  /** @param {import('./person.js').Person} person */
  constructor(person) {
    this.person = person;
    this.page = person.page;
  }

  get field() {
    return this.page.getByLabel('Message', { exact: true });
  }

  /** The message that says this. @param {string} text */
  message(text) {
    return this.page.getByTestId('message').filter({ has: this.page.getByTestId('message-text').getByText(text, { exact: true }) });
  }

  /** All messages of a type. @param {string} type */
  ofType(type) {
    return this.page.locator(`[data-testid="message"][data-type="${type}"]`);
  }

  /** Types it, and sends it. Returns when the page shows it, sent or not. @param {string} text */
  async writes(text) {
    await this.field.fill(text);
    if (this.person.touches) await this.person.button('Send').tap();
    else await this.field.press('Enter');
    await this.message(text).waitFor();
  }

  /** As `writes`, and the server has it. @param {string} text */
  async says(text) {
    await this.writes(text);
    await this.saysThatItIsSent(text);
  }

  /** @param {string} text */
  async saysThatItIsSent(text) {
    await this.message(text).and(this.page.locator('[data-status="done"]')).waitFor();
  }

  /** @param {string} text */
  async sees(text) {
    await this.message(text).waitFor();
  }

  /** Begins to write and does not send. @param {string} text */
  async beginsToWrite(text) {
    await this.field.pressSequentially(text);
  }

  /** @param {string} words */
  async seesTyping(words) {
    await this.page.getByTestId('typing').filter({ hasText: words }).waitFor();
  }

  async seesNobodyTyping() {
    await this.page.getByTestId('typing').filter({ hasText: /^$/ }).waitFor({ state: 'attached' });
  }

  /** Points at a message, and presses one of its buttons. @param {Locator} message @param {string} button */
  async does(message, button) {
    await message.hover();
    await message.getByRole('button', { name: button, exact: true }).click();
  }

  /** @param {string} before @param {string} after */
  async edits(before, after) {
    await this.does(this.message(before), 'Edit');
    await this.page.getByTestId('editing').waitFor();
    await this.field.fill(after);
    await this.field.press('Enter');
    await this.message(after).getByTestId('message-edited').waitFor();
  }

  /** @param {string} text */
  async deletes(text) {
    await this.does(this.message(text), 'Delete');
    await this.page.getByRole('alertdialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await this.message(text).waitFor({ state: 'detached' });
  }

  /** @param {string} text @param {string} emoji */
  async reactsTo(text, emoji) {
    await this.does(this.message(text), 'React');
    await this.page.getByRole('menuitem', { name: emoji }).or(this.page.getByRole('menuitemcheckbox', { name: emoji })).click();
  }

  /** @param {string} text @param {string} emoji @param {number} count */
  async seesReaction(text, emoji, count) {
    const shown = this.message(text).locator(`[data-testid="reaction"][data-emoji="${emoji}"]`);
    if (count === 0) await shown.waitFor({ state: 'detached' });
    else await shown.filter({ hasText: String(count) }).waitFor();
  }

  /** The receipt of an own message says that so many have read it. @param {string} text @param {number} readers */
  async seesItReadBy(text, readers) {
    await this.message(text).locator(`[data-testid="receipt"][data-read="${readers}"]`).waitFor({ state: 'attached' });
  }

  /** @param {Buffer} png */
  async sendsAPicture(png) {
    await this.page.getByTestId('image-input').setInputFiles({ name: 'picture.png', mimeType: 'image/png', buffer: png });
  }

  /** The newest picture is loaded and this wide, in its own pixels. @param {number} width */
  async seesAPicture(width) {
    const image = this.page.locator('[data-testid="image"] img, img[data-testid="image"]').last();
    await image.waitFor();
    const handle = await image.elementHandle();
    await this.page.waitForFunction(
      ([element, wide]) => element instanceof HTMLImageElement && element.complete && element.naturalWidth === wide,
      /** @type {const} */ ([handle, width]),
      { timeout: WITHIN },
    );
  }

  /** Draws a line in the dialog and sends it. */
  async draws() {
    await this.person.button('Draw').click();
    const dialog = this.page.getByRole('dialog', { name: 'Draw' });
    const box = await dialog.getByTestId('drawing-canvas').boundingBox();
    if (!box) throw new Error('there is nothing to draw on');
    const { mouse } = this.page;
    await mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.3);
    await mouse.down();
    for (let step = 1; step <= 12; step++) {
      await mouse.move(box.x + box.width * (0.2 + step * 0.05), box.y + box.height * (0.5 + 0.25 * Math.sin(step)));
    }
    await mouse.up();
    await dialog.getByRole('button', { name: 'Send drawing' }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** The newest drawing is one: there is ink on it. */
  async seesInk() {
    const drawing = this.page.getByTestId('drawing').last();
    await drawing.waitFor();
    await this.page.waitForFunction(
      (canvas) => {
        if (!(canvas instanceof HTMLCanvasElement)) return false;
        const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
        const colours = new Set();
        for (let at = 0; at < data.length; at += 4) colours.add(data.slice(at, at + 4).join());
        return colours.size > 1;
      },
      await drawing.elementHandle(),
      { timeout: WITHIN },
    );
  }

  /** From the details, where its owner finds it. */
  async copiesTheInviteLink() {
    await this.person.button('Details').click();
    const link = await this.page.getByTestId('invite-link').inputValue();
    await this.person.button('Details').click();
    return link;
  }

  /** The texts that are shown, in their order. */
  texts() {
    return this.page.getByTestId('message-text').allTextContents();
  }
}
