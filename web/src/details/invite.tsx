// The invite link: for whoever has it, a way in.
import type { Conversation, ConversationView } from '@parlor/client';
import { tell, tellError } from '../ui/notice.js';

export function linkOf(inviteCode: string): string {
  return `${location.origin}/join/${encodeURIComponent(inviteCode)}`;
}

export function Invite({ view, conversation }: { view: ConversationView; conversation: Conversation }) {
  const link = view.inviteCode ? linkOf(view.inviteCode) : null;
  const copy = () =>
    link !== null && navigator.clipboard
      ? navigator.clipboard.writeText(link).then(
          () => tell('The link is copied.'),
          () => tell('The browser did not allow it: select the link and copy it.'),
        )
      : tell('Select the link and copy it.');
  return (
    <section className="stack" aria-label="Invitation">
      <h3>Invite link</h3>
      {link === null ? (
        <p className="quiet">Nobody can join by a link.</p>
      ) : (
        <input readOnly value={link} aria-label="Invite link" data-testid="invite-link" onFocus={(event) => event.target.select()} />
      )}
      <div className="actions">
        {link !== null && (
          <button type="button" onClick={copy}>
            Copy invite link
          </button>
        )}
        <button type="button" onClick={() => conversation.renewInviteCode().catch(tellError)}>
          New invite code
        </button>
        {link !== null && view.kind !== 'room' && (
          <button type="button" onClick={() => conversation.removeInviteCode().catch(tellError)}>
            Remove link
          </button>
        )}
      </div>
    </section>
  );
}
