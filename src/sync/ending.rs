//! How a sweep's runs end.

use anyhow::Context as _;

use super::sweep::Sweeping;
use super::{Verdict, peak_rss_bytes};
use crate::mirror::{Job, Mirror, Outcome, RunId, Status, Writing};
use crate::resource::Resource;

impl Sweeping<'_> {
    /// Ends the runs as they went, all of them in one transaction. A sweep that
    /// did not come to its end keeps its checkpoint.
    pub(super) fn finish(
        mut self,
        mirror: &mut Mirror,
        result: &anyhow::Result<()>,
    ) -> anyhow::Result<(Vec<RunId>, Verdict)> {
        self.context.progress.end(self.resource);
        let writing = mirror.write()?;
        let filled: Vec<Resource> = self.tallies.keys().copied().collect();
        match result {
            Ok(()) => {
                for &resource in &filled {
                    writing.clear_sweep(Job::Full, resource)?;
                    if let Some(first_run) = self.checkpoint.first_run {
                        writing.resolve_unmet_rejects(resource, RunId::from_number(first_run))?;
                    }
                }
                self.save(&writing, None)?;
            }
            Err(_) => {
                let text = serde_json::to_string(&self.checkpoint)?;
                self.save(&writing, Some(&text))?;
            }
        }
        let mut verdict = Verdict::Done;
        for &resource in &filled {
            let (own, status, error) = match result {
                Err(error) => self.failed(error),
                Ok(()) => self.ended(&writing, resource)?,
            };
            verdict = verdict.max(own);
            writing.finish_run(
                self.tallies[&resource].run,
                &self.outcome(resource, status, error),
            )?;
        }
        writing.commit().context("ending a run")?;
        Ok((
            self.tallies.values().map(|tally| tally.run).collect(),
            verdict,
        ))
    }

    fn failed(&self, error: &anyhow::Error) -> (Verdict, Status, Option<String>) {
        match self.context.judge(self.resource, error) {
            (Verdict::Interrupted, _) => (Verdict::Interrupted, Status::Interrupted, None),
            (verdict, text) => (verdict, Status::Failed, Some(text)),
        }
    }

    fn ended(
        &self,
        writing: &Writing<'_>,
        resource: Resource,
    ) -> rusqlite::Result<(Verdict, Status, Option<String>)> {
        let mut left_out = match resource == self.resource {
            true => self.left_out.clone(),
            false => Vec::new(),
        };
        // Those of earlier runs of the same sweep are among them.
        let rejected = writing.open_rejects(resource)?;
        if rejected > 0 {
            let records = if rejected == 1 { "record" } else { "records" };
            left_out.push(format!(
                "{rejected} {records} could not be stored; see `rejects`, where they are kept"
            ));
        }
        Ok(match left_out.is_empty() {
            true => (Verdict::Done, Status::Succeeded, None),
            false => (Verdict::Partial, Status::Partial, Some(left_out.join("; "))),
        })
    }

    pub(super) fn outcome(
        &self,
        resource: Resource,
        status: Status,
        error: Option<String>,
    ) -> Outcome {
        let before = self.watermark_before.get(&resource).cloned().flatten();
        let done = matches!(status, Status::Succeeded | Status::Partial);
        Outcome {
            status,
            watermark_after: match done {
                true => self.checkpoint.watermark(resource, before),
                false => before,
            },
            duration: self.started.elapsed(),
            peak_rss_bytes: peak_rss_bytes(),
            error,
        }
    }
}
