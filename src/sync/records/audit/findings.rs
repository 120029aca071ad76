//! Receives what an audit finds, part by part.

use std::collections::BTreeMap;

use crate::feed::Position;
use crate::mirror::{KeyDifferences, Mirror};
use crate::resource::Resource;
use crate::sync::sync_error::Result;

/// Receives what an audit finds.
pub trait Findings {
    /// Receives the differences of a part of a resource. `reached` is the number of a walk and
    /// the position behind the part, if another audit can resume there.
    fn found(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        found: KeyDifferences,
        reached: Option<(usize, Position)>,
    ) -> Result<()>;

    /// Forgets everything, because the audit starts again.
    fn start_again(&mut self, mirror: &mut Mirror) -> Result<()>;

    /// Receives the positions from which all keys are read.
    fn starts(&mut self, _: &[(usize, Position)]) {}
}

/// All differences, by resource.
impl Findings for BTreeMap<Resource, KeyDifferences> {
    fn found(
        &mut self,
        _: &mut Mirror,
        resource: Resource,
        found: KeyDifferences,
        _: Option<(usize, Position)>,
    ) -> Result<()> {
        self.entry(resource).or_default().append(found);
        Ok(())
    }

    fn start_again(&mut self, _: &mut Mirror) -> Result<()> {
        self.clear();
        Ok(())
    }
}
