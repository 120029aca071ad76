//! Measures one page of 200 listings without the network: decoding it, comparing it
//! with equal rows, inserting it, and updating three fields of every listing.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mlsmirror::feed::{Known, Metadata, Page, Wanted, columns, shape};
use mlsmirror::mirror::{ChangedRecord, Job, Mirror, RunId, StoredRow};
use mlsmirror::record::Shape;
use mlsmirror::resource::Resource;
use mlsmirror::value::Value;
use simulator::{Options, Simulator};

const LISTINGS: u64 = 200;

/// The three fields of every listing that change.
const CHANGED: [&str; 3] = ["PublicRemarks", "MlsStatus", "CrossStreet"];

/// A page of the simulated feed, with its shape.
struct Answer {
    body: Vec<u8>,
    metadata: Metadata,
    shape: Arc<Shape>,
}

impl Answer {
    fn ask() -> anyhow::Result<Answer> {
        // This fails only if a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = Simulator::start(Options {
            listings: LISTINGS,
            photos: 0,
            open_houses: false,
            units: false,
            ..Options::default()
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let get = |path: &str| {
            let url = format!("{}/{path}", simulator.base_url());
            let request = reqwest::Client::new()
                .get(url)
                .bearer_auth(simulator.token());
            runtime.block_on(async { request.send().await?.error_for_status()?.bytes().await })
        };
        let metadata = Metadata::parse(&get("$metadata")?)?;
        let body = get(&format!("Property?$top={LISTINGS}"))?.to_vec();
        let wanted = Wanted {
            select: &Default::default(),
            expand: &[],
            known: Known::default(),
        };
        let shape = Arc::new(shape(&metadata, Resource::PROPERTY, wanted)?);
        Ok(Answer {
            body,
            metadata,
            shape,
        })
    }

    fn page(&self) -> anyhow::Result<Page> {
        Ok(Page::decode(&self.body, &self.shape)?)
    }

    /// Returns the page after all listings changed.
    fn changed(&self) -> anyhow::Result<Page> {
        let mut page = self.page()?;
        for field in CHANGED {
            let at = self
                .shape
                .position(field)
                .expect("the simulated feed declares it");
            for record in &mut page.records {
                record.values[at] = Value::Text("changed".into());
            }
        }
        Ok(page)
    }
}

/// A mirror in a temporary folder.
struct Kept {
    mirror: Mirror,
    run: RunId,
    _folder: tempfile::TempDir,
}

impl Kept {
    fn new(answer: &Answer) -> anyhow::Result<Kept> {
        let folder = tempfile::tempdir()?;
        let mut mirror = Mirror::open(&folder.path().join("mirror.db"))?;
        let tx = mirror.write()?;
        let wanted = Wanted {
            select: &Default::default(),
            expand: &[],
            known: Known::default(),
        };
        let fields = columns(&answer.metadata, Resource::PROPERTY, wanted)?;
        tx.ensure_table(&answer.shape, &fields)?;
        let run = tx.start_run(Job::Full, Resource::PROPERTY, None, None)?;
        tx.commit()?;
        Ok(Kept {
            mirror,
            run,
            _folder: folder,
        })
    }

    /// Updates all rows of the page. Returns the number of values that differed.
    fn apply(&mut self, shape: &Shape, page: &Page) -> rusqlite::Result<usize> {
        let tx = self.mirror.write()?;
        let mut rows = tx.rows(shape)?;
        let mut differed = 0;
        for record in &page.records {
            let changes = match rows.compare(record)? {
                StoredRow::Absent => {
                    rows.insert(record)?;
                    continue;
                }
                StoredRow::Present { changes, .. } if changes.is_empty() => continue,
                StoredRow::Present { changes, .. } => changes,
            };
            rows.update(record)?;
            differed += changes.len();
            let subject = ChangedRecord {
                resource: shape.resource,
                key: &record.key,
                listing_key: Some(&record.key),
                source_timestamp: shape.modified_of(&record.values),
            };
            let mut log = tx.changes(self.run)?;
            for change in changes {
                let (field, new) = (
                    &shape.fields[change.position],
                    &record.values[change.position],
                );
                log.field(subject, &field.name, &change.old, new)?;
            }
        }
        drop(rows);
        tx.commit()?;
        Ok(differed)
    }
}

fn pages(criterion: &mut Criterion) {
    let answer = Answer::ask().expect("the simulated feed answers");
    let page = answer.page().expect("it decodes");
    let changed = answer.changed().expect("it decodes");
    assert_eq!(page.records.len() as u64, LISTINGS);
    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| answer.page().expect("it decodes"));
    });
    let mut kept = Kept::new(&answer).expect("a mirror");
    kept.apply(&answer.shape, &page).expect("inserting");
    criterion.bench_function("compare unchanged", |bencher| {
        bencher.iter(|| assert_eq!(kept.apply(&answer.shape, &page), Ok(0)));
    });
    criterion.bench_function("insert", |bencher| {
        bencher.iter_batched_ref(
            || Kept::new(&answer).expect("a mirror"),
            |empty| empty.apply(&answer.shape, &page).expect("inserting"),
            BatchSize::PerIteration,
        );
    });
    let mut there = false;
    criterion.bench_function("update three fields", |bencher| {
        bencher.iter(|| {
            there = !there;
            let next = if there { &changed } else { &page };
            let differed = kept.apply(&answer.shape, next).expect("updating");
            assert!(differed as u64 > 2 * LISTINGS);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = pages
}
criterion_main!(benches);
