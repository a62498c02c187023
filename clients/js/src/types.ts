// The words of the protocol, as types: what the server describes (`generated/`), under names that one would type.
import type { AheadEvents, AheadReadState, AheadReady, AheadRequests } from './ahead.js';
import type { Requests as GeneratedRequests, ServerEvents as GeneratedEvents } from './generated/asyncapi.js';
import type { components } from './generated/openapi.js';

type Schemas = components['schemas'];
type With<Generated, Ahead> = Generated & Omit<Ahead, keyof Generated>;

export type User = Schemas['User'];
export type Message = Schemas['Message'];
export type MessageType = Schemas['MessageType'];
export type Content = Schemas['Content'];
export type Quote = Schemas['Quote'];
export type Reaction = Schemas['Reaction'];
export type ConversationView = Schemas['ConversationView'];
export type Kind = Schemas['Kind'];
export type Role = Schemas['Role'];
export type Member = Schemas['MemberView'];
export type Presence = Schemas['PresenceView'];
export type ErrorCode = Schemas['ErrorCode'];
export type ConnectedSession = Schemas['ConnectedSession'];
export type NodeFigures = Schemas['NodeFigures'];
export type Login = Schemas['LoggedIn'];
export type ReadState = Schemas['ReadState'] & AheadReadState;

/** Every event of the server and its data. */
export type ServerEvents = With<GeneratedEvents, AheadEvents>;
/** Every request of a client: its data, and its answer's. */
export type Requests = With<GeneratedRequests, AheadRequests>;
export type Ready = ServerEvents['ready'] & AheadReady;

/** A page of history. */
export interface HistoryPage {
  /** Oldest first. */
  messages: Message[];
  hasMore: boolean;
  hasMoreAfter: boolean;
}

/** What catching up brings of one conversation. */
export interface SyncPage {
  messages: Message[];
  seq: number;
  hasMore: boolean;
  reset: boolean;
  /** Up to where retention has removed everything. */
  expiredSeq?: number;
}

/** A message that was found, with its content in pieces: plain text, those that match marked. */
export type Found = Message & { highlights: { text: string; match: boolean }[] };

/** The content of a drawing. */
export interface Drawing {
  operations: unknown[];
  width: number;
  height: number;
}

/** The content of a system message. */
export interface SystemNote {
  event: string;
  text: string;
  userId?: string;
  role?: Role;
  settings?: Record<string, unknown>;
}
