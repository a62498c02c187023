// React hooks: each looks at a part of a `Parlor` by useSyncExternalStore, and asks for it while it is shown.
import { createContext, createElement, useContext, useEffect, useMemo, useSyncExternalStore, type ReactNode } from 'react';
import type { ConnectionState } from './connection.js';
import type { Conversation } from './conversation.js';
import type { ConversationListSnapshot, ConversationList } from './list.js';
import type { Parlor } from './parlor.js';
import type { ConversationSnapshot } from './snapshot.js';
import type { Readable } from './store.js';
import type { Typer } from './typing.js';
import type { Presence, User } from './types.js';

const Context = createContext<Parlor | null>(null);

/** Connects `parlor` while it is shown, and gives it to the hooks below. */
export function ParlorProvider({ parlor, children }: { parlor: Parlor; children?: ReactNode }) {
  useEffect(() => {
    parlor.connect().catch(() => undefined); // `useConnection` says why
    return () => parlor.disconnect();
  }, [parlor]);
  return createElement(Context.Provider, { value: parlor }, children);
}

/** The client. */
export function useParlor(): Parlor {
  const parlor = useContext(Context);
  if (!parlor) throw new Error('there is no ParlorProvider around this component');
  return parlor;
}

/** A part, kept up to date. */
export function useReadable<T>({ subscribe, getSnapshot }: Readable<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}

/** Where the connection stands. */
export function useConnection(): ConnectionState {
  return useReadable(useParlor().state);
}

/** The user; null until the first connect. */
export function useUser(): User | null {
  return useReadable(useParlor().user);
}

/** The user's conversations, newest activity first. */
export function useConversations(): ConversationListSnapshot & Pick<ConversationList, 'loadMore'> {
  const { conversations, state } = useParlor();
  const { status } = useReadable(state);
  const snapshot = useReadable(conversations);
  useEffect(() => {
    if (status === 'connected') conversations.load().catch(() => undefined);
  }, [conversations, status]);
  return useMemo(() => ({ ...snapshot, loadMore: () => conversations.loadMore() }), [conversations, snapshot]);
}

/** A conversation, open while it is shown; with the object to do things with. */
export function useConversation(id: string): ConversationSnapshot & { conversation: Conversation } {
  const parlor = useParlor();
  const conversation = parlor.conversation(id);
  const snapshot = useReadable(conversation);
  useEffect(() => conversation.open(), [conversation]);
  return useMemo(() => ({ ...snapshot, conversation }), [snapshot, conversation]);
}

/** Who types in a conversation that is open, and what to call at every keystroke. */
export function useTyping(id: string): { typers: readonly Typer[]; typing: () => void; stopTyping: () => void } {
  const conversation = useParlor().conversation(id);
  const { typers } = useReadable(conversation.summary);
  return useMemo(
    () => ({ typers, typing: () => conversation.typing(), stopTyping: () => conversation.stopTyping() }),
    [typers, conversation],
  );
}

/** Who of these users is online. */
export function usePresence(userIds: readonly string[]): ReadonlyMap<string, Presence> {
  const { presence } = useParlor();
  const ids = userIds.join(' ');
  const readable = useMemo(() => presence.of(ids === '' ? [] : ids.split(' ')), [presence, ids]);
  return useReadable(readable);
}
