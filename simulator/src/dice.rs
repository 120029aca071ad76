//! Seeded chance without state: the same question always gets the same answer.

/// A source of chance for one thing (a listing, an agent): `roll(salt)` depends
/// on the thing and the salt alone, so that fields can be made in any order.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

/// Spreads the bits of `x` (the finalizer of splitmix64).
#[inline]
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A salt from a name.
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

/// The salt of a literal name, made when this is compiled.
macro_rules! salt {
    ($name:literal) => {
        const { $crate::dice::salt_of($name) }
    };
}
pub(super) use salt;

impl Dice {
    /// The dice of thing `index` in the stream `stream` of a seed.
    #[inline]
    pub const fn new(seed: u64, stream: u64, index: u64) -> Dice {
        Dice(mix(seed
            ^ mix(stream).rotate_left(17)
            ^ mix(index.wrapping_add(stream)).rotate_left(31)))
    }

    /// 64 bits of chance.
    #[inline]
    pub const fn roll(self, salt: u64) -> u64 {
        mix(self.0 ^ salt)
    }

    /// In `[0, 1)`.
    #[inline]
    pub fn unit(self, salt: u64) -> f64 {
        (self.roll(salt) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `0..n`; 0 where `n` is 0.
    #[inline]
    pub fn below(self, salt: u64, n: u64) -> u64 {
        if n == 0 {
            0
        } else {
            ((u128::from(self.roll(salt)) * u128::from(n)) >> 64) as u64
        }
    }

    /// In `low..=high`.
    #[inline]
    pub fn between(self, salt: u64, low: i64, high: i64) -> i64 {
        low + self.below(salt, (high - low + 1).max(1) as u64) as i64
    }

    /// Whether something of this probability happens.
    #[inline]
    pub fn chance(self, salt: u64, probability: f64) -> bool {
        self.unit(salt) < probability
    }

    /// One of `things`, which must not be empty.
    #[inline]
    pub fn pick<T: Copy>(self, salt: u64, things: &[T]) -> T {
        things[self.below(salt, things.len() as u64) as usize]
    }

    /// A roughly normal number: mean 0, deviation 1.
    pub fn normal(self, salt: u64) -> f64 {
        let rolls = (0..4).map(|i| self.unit(salt.wrapping_add(i))).sum::<f64>();
        (rolls - 2.0) * 1.732
    }
}
