//! The users and conversations of one run: made by `provision`, read by everybody, changed by nobody.

/// A user of the run, with the token it connects with.
pub struct User {
    pub id: String,
    pub token: String,
}

/// A conversation and its members: the connections `first..first + members`, each of its own user.
pub struct Room {
    pub conversation: String,
    pub first: usize,
    pub members: usize,
}

pub struct World {
    /// Tells this run's messages from any other's: the beginning of every clientId.
    pub run: String,
    pub users: Vec<User>,
    pub rooms: Vec<Room>,
}

impl World {
    /// The user of a connection. There may be more connections than users in `idle`.
    pub fn user_of(&self, connection: usize) -> &User {
        &self.users[connection % self.users.len()]
    }

    /// The user a clientId claims as its sender; `None` for a connection that does not exist.
    pub fn sender(&self, connection: u32) -> Option<&User> {
        self.users.get(connection as usize)
    }

    /// Which room a connection belongs to: rooms are filled one after the other with the same number of members.
    pub fn room_of(&self, connection: usize) -> Option<usize> {
        let members = self.rooms.first()?.members;
        let room = connection / members;
        (room < self.rooms.len()).then_some(room)
    }
}
