//! Hashes of rows by their content and a seed.

/// The keys of a hash of rows, one for each value: NH of UMAC (J. Black and others, 1999), one
/// product a value.
pub(super) struct Keys(u64);

/// A key for each half of a value.
pub(super) struct Key(u32, u32);

impl Keys {
    pub(super) fn new(seed: i64) -> Self {
        Self(mix(seed as u64))
    }

    /// The hash of what was added under all keys so far.
    #[inline(always)]
    pub(super) fn finish(&self, hash: u64) -> u64 {
        mix(hash ^ self.0)
    }
}

impl Iterator for Keys {
    type Item = Key;

    #[inline(always)]
    fn next(&mut self) -> Option<Key> {
        self.0 = mix(self.0);
        Some(Key(self.0 as u32 | 1, (self.0 >> 32) as u32 | 1))
    }
}

impl Key {
    #[inline(always)]
    pub(super) fn add(&self, hash: u64, x: f64) -> u64 {
        let bits = x.to_bits();
        let low = u64::from((bits as u32).wrapping_add(self.0));
        let high = u64::from(((bits >> 32) as u32).wrapping_add(self.1));
        hash.wrapping_add(low * high)
    }
}

/// A bijection of 64 bits with full avalanche (the finalizer of SplitMix64).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
