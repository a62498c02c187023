//! Who may do what in a conversation: the one table. Asked by rooms (with the membership they own) and by the commands
//! that read; never asks the store itself.

use super::{Kind, Role};

/// What somebody wants to do in a conversation they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send a message.
    Send,
    /// Edit a message of one's own.
    Edit,
    /// Put a reaction on a message, or take one's own away.
    React,
    /// Delete a message of one's own.
    DeleteOwn,
    /// Delete somebody else's message.
    DeleteOthers,
    /// Add a member.
    AddMember,
    /// Remove a member of this role.
    Remove(Role),
    /// Leave.
    Leave,
    /// Change the name or a policy.
    Configure,
    /// Give another role, the owner's too, to a member who has this one.
    GiveRole(Role),
    /// Make a new invite code, or take it away.
    Invite,
    /// Delete the conversation, for everybody.
    End,
}

/// How somebody who is no member wants to become one by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the conversation's id, as one finds it among the channels.
    Open,
    /// By its invite code.
    Code,
}

/// Whether somebody who is no member may become one that way, its password aside; otherwise the sentence that says why not.
pub fn may_join(kind: Kind, way: Way) -> Result<(), &'static str> {
    match (kind, way) {
        (Kind::Channel, _) | (Kind::Group | Kind::Room, Way::Code) => Ok(()),
        (Kind::Direct | Kind::Group | Kind::Room, Way::Open) | (Kind::Direct, Way::Code) => {
            Err("this conversation is by invitation only")
        }
    }
}

/// Whether a member of `role` may do `action` in a conversation of `kind`; otherwise the sentence that says why not.
pub fn allowed(kind: Kind, role: Role, action: Action) -> Result<(), &'static str> {
    let moderator = role >= Role::Admin;
    match (action, kind) {
        (Action::Send | Action::Edit | Action::React | Action::DeleteOwn, _) => Ok(()),
        (Action::DeleteOthers, Kind::Direct) => Err("a direct conversation has no moderators"),
        (Action::DeleteOthers, _) if moderator => Ok(()),
        (Action::DeleteOthers, _) => Err("only the owner and admins delete messages of others"),
        (Action::AddMember | Action::Remove(_) | Action::Leave, Kind::Direct) => {
            Err("the two members of a direct conversation stay")
        }
        (Action::AddMember, _) if moderator => Ok(()),
        (Action::AddMember, _) => Err("only the owner and admins add members"),
        (Action::Remove(target), _) if moderator && role > target => Ok(()),
        (Action::Remove(_), _) if moderator => Err("only a higher role removes this member"),
        (Action::Remove(_), _) => Err("only the owner and admins remove members"),
        (Action::Leave, _) => Ok(()),
        (Action::Invite, Kind::Direct) => Err("nobody is invited to a direct conversation"),
        (Action::Configure | Action::GiveRole(_) | Action::End, Kind::Direct) => {
            Err("a direct conversation has no name, no policies and no owner")
        }
        (Action::Configure, _) if moderator => Ok(()),
        (Action::Configure, _) => Err("only the owner and admins change the name and the policies"),
        (Action::Invite, _) if moderator => Ok(()),
        (Action::Invite, _) => Err("only the owner and admins invite"),
        (Action::GiveRole(target), _) if role == Role::Owner && role > target => Ok(()),
        // A conversation has one owner at any time.
        (Action::GiveRole(_), _) if role == Role::Owner => Err("an owner makes another member the owner instead"),
        (Action::GiveRole(_), _) => Err("only the owner gives roles"),
        (Action::End, _) if role == Role::Owner => Ok(()),
        (Action::End, _) => Err("only the owner deletes the conversation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_open_and_codes_open_the_others() {
        let table = [
            (Kind::Direct, false, false),
            (Kind::Group, false, true),
            (Kind::Channel, true, true),
            (Kind::Room, false, true),
        ];
        for (kind, open, code) in table {
            assert_eq!(may_join(kind, Way::Open).is_ok(), open, "{kind:?}");
            assert_eq!(may_join(kind, Way::Code).is_ok(), code, "{kind:?}");
        }
    }

    #[test]
    fn the_table_row_by_row() {
        use Action::*;
        let everywhere = [
            (Send, [true, true, true]),
            (Edit, [true, true, true]),
            (React, [true, true, true]),
            (DeleteOwn, [true, true, true]),
            (DeleteOthers, [false, true, true]),
            (AddMember, [false, true, true]),
            (Remove(Role::Member), [false, true, true]),
            (Remove(Role::Admin), [false, false, true]),
            (Remove(Role::Owner), [false, false, false]),
            (Leave, [true, true, true]),
            (Configure, [false, true, true]),
            (Invite, [false, true, true]),
            (GiveRole(Role::Member), [false, false, true]),
            (GiveRole(Role::Admin), [false, false, true]),
            (GiveRole(Role::Owner), [false, false, false]),
            (End, [false, false, true]),
        ];
        for (action, expected) in everywhere {
            for (role, expected) in [Role::Member, Role::Admin, Role::Owner].into_iter().zip(expected) {
                for kind in [Kind::Group, Kind::Channel, Kind::Room] {
                    assert_eq!(
                        allowed(kind, role, action).is_ok(),
                        expected,
                        "{action:?} as {role:?} in {kind:?}"
                    );
                }
                let direct = matches!(action, Send | Edit | React | DeleteOwn);
                assert_eq!(
                    allowed(Kind::Direct, role, action).is_ok(),
                    direct,
                    "{action:?} as {role:?} in a direct one"
                );
            }
        }
    }
}
