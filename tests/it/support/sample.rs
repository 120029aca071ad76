//! The part of a long test that runs by default.

/// Returns whether `MLSMIRROR_ALL` asks for every case of the tests that run a sample by
/// default.
pub fn runs_all() -> bool {
    std::env::var_os("MLSMIRROR_ALL").is_some()
}

/// Returns every case with `MLSMIRROR_ALL`, and otherwise each `nth` one.
pub fn sample<T>(cases: impl IntoIterator<Item = T>, nth: usize) -> impl Iterator<Item = T> {
    let nth = if runs_all() { 1 } else { nth };
    cases.into_iter().step_by(nth)
}
