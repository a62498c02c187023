// The dialog that leads to another conversation: with a person, or a group, channel or room that is made or joined.
import { useRef, useState, type KeyboardEvent } from 'react';
import { go, pathOf } from '../route.js';
import { Dialog } from '../ui/dialog.js';
import { NewChannel } from './new-channel.js';
import { NewGroup, NewRoom, Person } from './new-kinds.js';
import { JoinByCode } from './join.js';

const TABS = ['Person', 'Group', 'Channel', 'Room', 'Invite code'] as const;
type Tab = (typeof TABS)[number];

export function NewConversation({ onClose, inviteCode }: { onClose: () => void; inviteCode?: string | undefined }) {
  const [tab, setTab] = useState<Tab>(inviteCode === undefined ? 'Person' : 'Invite code');
  const tabs = useRef<HTMLDivElement>(null);
  const done = (conversationId: string) => {
    onClose();
    go(pathOf(conversationId));
  };

  function walked(event: KeyboardEvent) {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = (TABS.indexOf(tab) + step + TABS.length) % TABS.length;
    setTab(TABS[at] ?? 'Person');
    tabs.current?.querySelectorAll('button')[at]?.focus();
  }

  return (
    <Dialog title="New conversation" onClose={onClose}>
      <div className="tabs" role="tablist" ref={tabs} onKeyDown={walked}>
        {TABS.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            id={`tab-${one}`}
            aria-selected={one === tab}
            aria-controls="new-panel"
            tabIndex={one === tab ? 0 : -1}
            onClick={() => setTab(one)}
          >
            {one}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="new-panel" aria-labelledby={`tab-${tab}`} className="stack">
        {tab === 'Person' && <Person onDone={done} />}
        {tab === 'Group' && <NewGroup onDone={done} />}
        {tab === 'Channel' && <NewChannel onDone={done} />}
        {tab === 'Room' && <NewRoom onDone={done} />}
        {tab === 'Invite code' && <JoinByCode onDone={done} inviteCode={inviteCode} />}
      </div>
    </Dialog>
  );
}
