//! Parlor: a self-hosted messaging engine.
