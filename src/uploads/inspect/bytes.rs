//! Reading a file piece by piece without ever reading beyond it. Used by the walkers beside it.

use super::Unfit;

/// What is left of a file.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `count` bytes; a file that ends before is truncated.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Unfit> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unfit::Broken("it is truncated"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Unfit> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unfit::Broken("it is truncated"))?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Unfit> {
        self.array::<1>().map(|[byte]| byte)
    }
}

/// The area of a frame whose sides are little endian.
pub fn area(width: [u8; 2], height: [u8; 2]) -> u64 {
    u64::from(u16::from_le_bytes(width)) * u64::from(u16::from_le_bytes(height))
}
