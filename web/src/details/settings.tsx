// Name and policies. An empty field turns a policy off.
import type { Conversation, ConversationView, SettingsChange } from '@parlor/client';
import { useState, type FormEvent } from 'react';
import { tell, tellError } from '../ui/notice.js';

const POLICIES = [
  ['maxMembers', 'Most members', 2, 5000],
  ['retentionSeconds', 'Keep messages for (seconds)', 60, 2_147_483_647],
  ['slowModeSeconds', 'Slow mode (seconds)', 0, 3600],
] as const;

/** What a form says differs from what there is. */
export function changes(view: ConversationView, form: { get(name: string): unknown }): SettingsChange {
  const change: SettingsChange = {};
  const name = String(form.get('name') ?? '').trim();
  if (name !== '' && name !== view.name) change.name = name;
  for (const [key] of POLICIES) {
    const said = String(form.get(key) ?? '').trim();
    const value = said === '' ? null : Number(said);
    if (value !== (view[key] ?? null)) change[key] = value;
  }
  const password = String(form.get('password') ?? '');
  if (password !== '') change.password = password;
  return change;
}

export function Settings({ view, conversation }: { view: ConversationView; conversation: Conversation }) {
  const [busy, setBusy] = useState(false);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const change = changes(view, new FormData(form));
    if (Object.keys(change).length === 0) return tell('Nothing was changed.');
    save(change, () => ((form.elements.namedItem('password') as HTMLInputElement).value = ''));
  }

  function save(change: SettingsChange, then: () => void = () => undefined) {
    setBusy(true);
    conversation
      .update(change)
      .then(() => {
        then();
        tell('The settings are saved.');
      }, tellError)
      .finally(() => setBusy(false));
  }

  return (
    <form className="stack" aria-label="Settings" onSubmit={submit}>
      <h3>Settings</h3>
      <label className="field">
        <span>Name</span>
        <input name="name" key={view.name} defaultValue={view.name ?? ''} maxLength={100} />
      </label>
      {POLICIES.map(([key, label, min, max]) => (
        <label className="field" key={`${key} ${view[key]}`}>
          <span>{label}</span>
          <input name={key} type="number" min={min} max={max} defaultValue={view[key] ?? ''} placeholder="off" />
        </label>
      ))}
      <label className="field">
        <span>Password</span>
        <input
          name="password"
          type="password"
          maxLength={256}
          autoComplete="new-password"
          placeholder={view.hasPassword ? 'has one; write another to change it' : 'none'}
        />
      </label>
      <div className="actions">
        {view.hasPassword && (
          <button type="button" disabled={busy} onClick={() => save({ password: null })}>
            Remove password
          </button>
        )}
        <button className="primary" disabled={busy}>
          Save settings
        </button>
      </div>
    </form>
  );
}
