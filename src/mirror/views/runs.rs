//! Views of runs.

/// The view of each job's runs on each resource, since the oldest stored run.
pub(super) const SYNC_HEALTH: &str = "\
SELECT runs.job, runs.resource, last.status AS last_status, last.started_at AS last_started_at,
       last.duration_ms AS last_duration_ms, last.error AS last_error,
       (SELECT ok.finished_at FROM sync_runs AS ok
        WHERE ok.job = runs.job AND ok.resource = runs.resource AND ok.status = 'succeeded'
        ORDER BY ok.finished_at DESC LIMIT 1) AS last_succeeded_at,
       runs.runs, runs.succeeded, runs.partial, runs.failed, runs.interrupted,
       round(100.0 * runs.succeeded / nullif(runs.runs - runs.running, 0), 1) AS succeeded_percent,
       runs.requests, runs.retries, runs.throttled_ms, runs.changes_logged,
       (SELECT count(DISTINCT record_key) + count(*) - count(record_key) FROM rejects
        WHERE rejects.resource = runs.resource AND rejects.resolved_at IS NULL) AS open_rejects
FROM (SELECT job, resource, max(id) AS last_id, count(*) AS runs,
             sum(status = 'succeeded') AS succeeded, sum(status = 'partial') AS partial,
             sum(status = 'failed') AS failed, sum(status = 'interrupted') AS interrupted,
             sum(status = 'running') AS running,
             sum(requests) AS requests, sum(retries) AS retries,
             sum(throttled_ms) AS throttled_ms, sum(changes_logged) AS changes_logged
      FROM sync_runs GROUP BY resource, job) AS runs
JOIN sync_runs AS last ON last.id = runs.last_id
ORDER BY runs.resource, runs.job";

/// The view of each resource's watermarks, in the feed's time.
pub(super) const WATERMARKS: &str = "\
SELECT known.resource,
       (SELECT watermark_after FROM sync_runs
        WHERE resource = known.resource AND watermark_after IS NOT NULL AND job <> 'deletions'
        ORDER BY id DESC LIMIT 1) AS watermark,
       (SELECT watermark_after FROM sync_runs
        WHERE resource = known.resource AND watermark_after IS NOT NULL AND job = 'deletions'
        ORDER BY id DESC LIMIT 1) AS deletions_watermark,
       (SELECT started_at FROM sync_runs
        WHERE resource = known.resource
          AND job IN ('full', 'incremental') AND status IN ('succeeded', 'partial')
          AND (watermark_after IS NOT NULL OR job = 'full' AND checkpoint IS NULL)
        ORDER BY id DESC LIMIT 1) AS up_to_date_at
FROM (SELECT DISTINCT resource FROM sync_runs) AS known
ORDER BY known.resource";
