// Who belongs to a conversation, who of them looks at it, and up to where each has read. Loaded when the conversation is opened,
// kept by events.
import type { Member, Message, SystemNote, User } from './types.js';

export class Members {
  private byId: Map<string, Member> | undefined;
  private viewing = new Map<string, User>();

  constructor(private readonly changed: () => void) {}

  /** Empty until loaded. */
  get list(): Member[] {
    return [...(this.byId?.values() ?? [])];
  }

  get loaded(): boolean {
    return this.byId !== undefined;
  }

  get viewers(): User[] {
    return [...this.viewing.values()];
  }

  load(members: readonly Member[]): void {
    this.byId = new Map(members.map((member) => [member.user.id, member]));
    this.changed();
  }

  added(user: User): void {
    if (!this.byId || this.byId.has(user.id)) return;
    this.byId.set(user.id, { user, role: 'member', online: false, lastReadSeq: 0 });
    this.changed();
  }

  removed(userId: string): void {
    this.viewing.delete(userId);
    this.byId?.delete(userId);
    this.changed();
  }

  read(userId: string, lastReadSeq: number): void {
    const member = this.byId?.get(userId);
    if (member && lastReadSeq > member.lastReadSeq) this.change(member, { lastReadSeq });
  }

  online(userId: string, online: boolean): void {
    const member = this.byId?.get(userId);
    if (member && member.online !== online) this.change(member, { online });
  }

  /** What a system message says about roles. */
  noted(message: Message): void {
    const { event, userId, role } = message.content as unknown as SystemNote;
    if (event !== 'role_changed' && event !== 'owner_changed') return;
    const member = userId === undefined ? undefined : this.byId?.get(userId);
    if (member && role) this.change(member, { role });
    const before = this.byId?.get(message.sender.id);
    if (event === 'owner_changed' && before) this.change(before, { role: 'admin' });
  }

  joined(user: User): void {
    this.viewing.set(user.id, user);
    this.changed();
  }

  left(userId: string): void {
    if (this.viewing.delete(userId)) this.changed();
  }

  clearViewers(): void {
    if (this.viewing.size === 0) return;
    this.viewing.clear();
    this.changed();
  }

  private change(member: Member, to: Partial<Member>): void {
    this.byId?.set(member.user.id, { ...member, ...to });
    this.changed();
  }
}
