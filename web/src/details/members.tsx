// The members: who is there, what they may do; changing that, where the user may.
import type { Conversation, Member, Role, User } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useState } from 'react';
import { go, pathOf } from '../route.js';
import { UserAvatar } from '../ui/avatar.js';
import { Confirm } from '../ui/dialog.js';
import { CloseIcon } from '../ui/icons.js';
import { tellError } from '../ui/notice.js';

interface Props {
  members: readonly Member[];
  conversation: Conversation;
  me: User | null;
  /** The user's own. */
  role: Role;
}

const RANK: Record<Role, number> = { owner: 2, admin: 1, member: 0 };
const ROLES: Record<Role, string> = { owner: 'Owner', admin: 'Admin', member: 'Member' };
/** So many are drawn until one asks for all. */
const FIRST = 100;

export function Members({ members, conversation, me, role }: Props) {
  const parlor = useParlor();
  const [all, setAll] = useState(false);
  const [doomed, setDoomed] = useState<User | null>(null);
  const [heir, setHeir] = useState<User | null>(null);
  const sorted = [...members].sort((a, b) => Number(b.online) - Number(a.online) || RANK[b.role] - RANK[a.role]);
  const open = (user: User) => parlor.openDirect(user.id).then(({ id }) => go(pathOf(id)), tellError);

  return (
    <section aria-label="Members">
      <h3>
        Members <span className="quiet">{members.length}</span>
      </h3>
      <ul className="members">
        {(all ? sorted : sorted.slice(0, FIRST)).map(({ user, role: theirs, online }) => (
          <li key={user.id} className="member" data-testid="member" data-user-id={user.id} data-role={theirs} data-online={online}>
            <span className="face">
              <UserAvatar user={user} size="small" />
              <span className="presence" data-online={online} role="img" aria-label={online ? 'online' : 'offline'} />
            </span>
            {user.id === me?.id ? (
              <span className="member-name">{user.displayName} (you)</span>
            ) : (
              <button type="button" className="member-name plain" title={`Write to ${user.displayName}`} onClick={() => open(user)}>
                {user.displayName}
              </button>
            )}
            {role === 'owner' && user.id !== me?.id ? (
              <select
                aria-label={`Role of ${user.displayName}`}
                value={theirs}
                onChange={({ target }) => {
                  if (target.value === 'owner') setHeir(user);
                  else conversation.setRole(user.id, target.value as Role).catch(tellError);
                }}
              >
                {Object.entries(ROLES).map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </select>
            ) : (
              theirs !== 'member' && <span className="tag">{ROLES[theirs]}</span>
            )}
            {RANK[role] > RANK[theirs] && user.id !== me?.id && (
              <button type="button" className="round" aria-label={`Remove ${user.displayName}`} title="Remove" onClick={() => setDoomed(user)}>
                <CloseIcon />
              </button>
            )}
          </li>
        ))}
      </ul>
      {!all && members.length > FIRST && (
        <button type="button" className="link" onClick={() => setAll(true)}>
          Show all {members.length}
        </button>
      )}
      {doomed && (
        <Confirm
          question={`Remove ${doomed.displayName}?`}
          deed="Remove"
          onDo={() => conversation.removeMember(doomed.id).catch(tellError)}
          onClose={() => setDoomed(null)}
        />
      )}
      {heir && (
        <Confirm
          question={`Make ${heir.displayName} the owner? You will be an admin.`}
          deed="Make owner"
          onDo={() => conversation.setRole(heir.id, 'owner').catch(tellError)}
          onClose={() => setHeir(null)}
        />
      )}
    </section>
  );
}
