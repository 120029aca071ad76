//! Seeded random numbers without state: the same arguments always return the same number.

/// The random numbers of one listing, agent or other thing. `roll(salt)` depends only on
/// the thing and the salt, so that fields can be made in any order.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

/// Mixes the bits of `x`: the finalizer of splitmix64.
#[inline]
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Returns the salt of a name.
pub const fn salt_of(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    mix(hash)
}

/// Returns the salt of a literal name, computed at compile time.
macro_rules! salt {
    ($name:literal) => {
        const { $crate::dice::salt_of($name) }
    };
}
pub(super) use salt;

impl Dice {
    /// Returns the dice of the thing with this index in a stream of a seed.
    #[inline]
    pub const fn new(seed: u64, stream: u64, index: u64) -> Dice {
        Dice(mix(seed
            ^ mix(stream).rotate_left(17)
            ^ mix(index.wrapping_add(stream)).rotate_left(31)))
    }

    /// Returns 64 random bits.
    #[inline]
    pub const fn roll(self, salt: u64) -> u64 {
        mix(self.0 ^ salt)
    }

    /// Returns a number in `[0, 1)`.
    #[inline]
    pub fn unit(self, salt: u64) -> f64 {
        (self.roll(salt) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number in `0..n`, or 0 if `n` is 0.
    #[inline]
    pub fn below(self, salt: u64, n: u64) -> u64 {
        if n == 0 {
            0
        } else {
            ((u128::from(self.roll(salt)) * u128::from(n)) >> 64) as u64
        }
    }

    /// Returns a number in `low..=high`.
    #[inline]
    pub fn between(self, salt: u64, low: i64, high: i64) -> i64 {
        low + self.below(salt, (high - low + 1).max(1) as u64) as i64
    }

    /// Returns true with the given probability.
    #[inline]
    pub fn chance(self, salt: u64, probability: f64) -> bool {
        self.unit(salt) < probability
    }

    /// Returns one of `things`, which must not be empty.
    #[inline]
    pub fn pick<T: Copy>(self, salt: u64, things: &[T]) -> T {
        things[self.below(salt, things.len() as u64) as usize]
    }

    /// Returns an approximately normal number with mean 0 and deviation 1.
    pub fn normal(self, salt: u64) -> f64 {
        let rolls = (0..4).map(|i| self.unit(salt.wrapping_add(i))).sum::<f64>();
        (rolls - 2.0) * 1.732
    }
}
