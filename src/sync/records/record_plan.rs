//! What to do with one record or one list of children, decided without I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::de::DeserializeSeed;
use serde_json::{Map, Value as Json};

use super::file_effect::{FileEffect, file_effect, is_signature};
use crate::change::FieldChange;
use crate::mirror::StoredRow;
use crate::record::{Children, FieldShape, Record, Shape};
use crate::value::{Value, timestamp, untyped};

/// A change of one field as the log gets it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedChange {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// What becomes of a record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowEffect {
    Insert,
    Unchanged,
    Update,
    Restore,
    /// Nothing is written: the record is older than its row, or it is a listed child that
    /// lacks values of its row, so that the feed has to confirm it first.
    Confirm,
}

/// What to do with one record.
#[derive(Debug, PartialEq)]
pub(super) struct RecordPlan {
    pub effect: RowEffect,
    pub logged: Vec<LoggedChange>,
    /// What becomes of the files of photos if the row is written.
    pub files: FileEffect,
}

impl RecordPlan {
    /// Returns a plan that logs no field.
    fn without_log(effect: RowEffect) -> RecordPlan {
        RecordPlan {
            effect,
            logged: Vec::new(),
            files: FileEffect::None,
        }
    }
}

/// The stored state of a record.
pub(super) struct LoadedRecord {
    pub held: StoredRow,
    /// The columns that hold fields which the record has in `extra`: fields that the
    /// feed no longer declares.
    pub undeclared: BTreeMap<String, Value>,
}

/// Which changes of a run are logged.
pub(super) struct LogRules<'a> {
    /// Whether any are.
    pub logs: bool,
    /// Fields that the mirror did not select before.
    pub new_fields: &'a BTreeSet<String>,
    /// Fields that the configuration leaves out.
    pub ignore_fields: &'a BTreeSet<String>,
    /// Whether a record that is older than its row replaces it. A stale replica or cache
    /// sends such records.
    pub accepts_older: bool,
    /// Whether the record came in the list of its listing. Such a record may have fewer
    /// fields than the resource itself sends.
    pub is_listed: bool,
}

/// Returns the records of a page without older versions of the same record. Of versions
/// with the same timestamp, the last one counts.
pub(in crate::sync) fn newest_versions<'r>(
    shape: &Shape,
    records: &'r [Record],
) -> Vec<&'r Record> {
    // Keys that ascend are different.
    if records.is_sorted_by(|one, next| one.key < next.key) {
        return records.iter().collect();
    }
    let mut newest: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    for record in records {
        let is_older = newest.get(&*record.key).is_some_and(|known| {
            shape.modified_of(&record.values) < shape.modified_of(&known.values)
        });
        if !is_older {
            newest.insert(&record.key, record);
        }
    }
    let is_newest = |record: &&Record| std::ptr::eq(newest[&*record.key], *record);
    records.iter().filter(is_newest).collect()
}

/// Decides what to do with a record of the feed.
pub(super) fn plan_record(
    shape: &Shape,
    record: &Record,
    loaded: LoadedRecord,
    rules: &LogRules<'_>,
) -> RecordPlan {
    let (deleted, moved, changes) = match loaded.held {
        StoredRow::Absent => return RecordPlan::without_log(RowEffect::Insert),
        StoredRow::Present {
            deleted,
            moved,
            changes,
        } => (deleted, moved, changes),
    };
    let is_older = changes.iter().any(|change| {
        shape.is_timestamp(change.position)
            && change.old.as_text() > shape.modified_of(&record.values)
    });
    let lacks_value = |change: &FieldChange| {
        let value = record.values.get(change.position);
        value == Some(&Value::Null) && change.old != Value::Null
    };
    let is_poorer = rules.is_listed && changes.iter().any(lacks_value);
    if (is_older || is_poorer) && !rules.accepts_older {
        return RecordPlan::without_log(RowEffect::Confirm);
    }
    let effect = if deleted.is_some() {
        RowEffect::Restore
    } else if moved || !changes.is_empty() {
        RowEffect::Update
    } else {
        RowEffect::Unchanged
    };
    let files = file_effect(shape, record, &changes);
    let mut logged = Vec::new();
    if rules.logs {
        logged = loggable_changes(shape, record, changes, &loaded.undeclared, rules.new_fields);
        logged.retain(|change| !rules.ignore_fields.contains(&change.field));
    }
    RecordPlan {
        effect,
        logged,
        files,
    }
}

/// Returns whether a record has values that its row lacks, though both have the same
/// timestamp: the row comes from an answer with fewer fields.
pub(super) fn is_richer(shape: &Shape, record: &Record, held: &StoredRow) -> bool {
    let StoredRow::Present {
        deleted: None,
        changes,
        ..
    } = held
    else {
        return false;
    };
    let is_same_version = !changes
        .iter()
        .any(|change| shape.is_timestamp(change.position));
    let adds_value = |change: &FieldChange| {
        let value = record.values.get(change.position);
        change.old == Value::Null && value.is_some_and(|value| *value != Value::Null)
    };
    is_same_version && changes.iter().any(adds_value)
}

/// Returns the names of fields that newly appear in `extra`: the feed no longer
/// declares them, so their columns have to be loaded for [`plan_record`].
pub(super) fn newly_undeclared(shape: &Shape, record: &Record, held: &StoredRow) -> Vec<String> {
    let StoredRow::Present { changes, .. } = held else {
        return Vec::new();
    };
    let Some(extra) = changes
        .iter()
        .find(|change| change.position >= shape.fields.len())
    else {
        return Vec::new();
    };
    let before = object(extra.old.as_text());
    let now = object(record.extra.as_deref());
    now.keys()
        .filter(|name| !before.contains_key(*name))
        .cloned()
        .collect()
}

/// Returns the differences of a row that the log gets. It gets no timestamp, no other
/// signature in a URL, and no difference that exists only because a field is newly selected,
/// newly declared, declared with another type, or no longer declared.
fn loggable_changes(
    shape: &Shape,
    record: &Record,
    changes: Vec<FieldChange>,
    undeclared: &BTreeMap<String, Value>,
    new_fields: &BTreeSet<String>,
) -> Vec<LoggedChange> {
    let extra_now = record.extra.as_deref();
    let extra_change = changes
        .iter()
        .find(|change| change.position >= shape.fields.len());
    let extra_before = match extra_change {
        Some(change) => object(change.old.as_text()),
        None => object(extra_now),
    };
    let mut logged = Vec::new();
    for change in changes {
        let Some(field) = shape.fields.get(change.position) else {
            // While fields are new, `extra` may be, too.
            let is_new = !new_fields.is_empty() && change.old == Value::Null;
            let extra = (&extra_before, &object(extra_now));
            if !is_new && !is_same_extra(shape, extra, undeclared, new_fields) {
                logged.push(LoggedChange {
                    field: "extra".to_owned(),
                    old: change.old,
                    new: extra_now.map_or(Value::Null, |text| Value::Text(text.into())),
                });
            }
            continue;
        };
        if !shape.is_logged(change.position) || is_signature(shape, record, &change) {
            continue;
        }
        let new = record.values[change.position].clone();
        let is_new = new_fields.contains(&field.name);
        let old = if is_new && change.old == Value::Null {
            value_in_extra(field, &extra_before)
        } else {
            Some(change.old)
        };
        // A field with another type than before may have another spelling of the same value.
        let old = old.filter(|old| !is_new || untyped(old) != untyped(&new));
        logged.extend(old.map(|old| LoggedChange {
            field: field.name.clone(),
            old,
            new,
        }));
    }
    logged
}

fn object(text: Option<&str>) -> Map<String, Json> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Returns the value that a field had while it was in `extra`.
fn value_in_extra(field: &FieldShape, extra: &Map<String, Json>) -> Option<Value> {
    let value = extra.get(&field.name)?.clone();
    field.form.deserialize(value).ok()?.ok()
}

/// Returns whether `extra` differs only by fields that moved between it and columns, and by
/// newly declared ones.
fn is_same_extra(
    shape: &Shape,
    (old, new): (&Map<String, Json>, &Map<String, Json>),
    undeclared: &BTreeMap<String, Value>,
    new_fields: &BTreeSet<String>,
) -> bool {
    let has_column = |name: &String| shape.position(name).is_some();
    let is_kept =
        |(name, value): (&String, &Json)| has_column(name) || new.get(name) == Some(value);
    let moved_here = |(name, value): (&String, &Json)| {
        old.contains_key(name)
            || new_fields.contains(name)
            // The columns of fields that are no longer declared are emptied.
            || undeclared
                .get(name)
                .is_some_and(|held| *held == Value::Null || is_equal(held, value))
    };
    old.iter().all(is_kept) && new.iter().all(moved_here)
}

/// Returns whether a column's value equals the value that the feed now sends undeclared.
fn is_equal(held: &Value, sent: &Json) -> bool {
    match sent {
        Json::Bool(sent) => *held == Value::Integer((*sent).into()),
        Json::String(sent) => {
            let text = held.as_text();
            text == Some(sent.as_str()) || (text.is_some() && text == timestamp(sent).as_deref())
        }
        Json::Number(sent) => match (sent.as_i64(), sent.as_f64()) {
            (Some(sent), _) => *held == Value::Integer(sent),
            (_, Some(sent)) => *held == Value::Real(sent),
            _ => false,
        },
        other => held.as_text() == Some(other.to_string().as_str()),
    }
}

/// What to do with the children that a listing no longer has.
#[derive(Debug, PartialEq)]
pub(super) enum MissingChildren {
    /// These live children are not in the list, and the list is complete.
    Deleted(Vec<String>),
    /// These live children are not in the list, which may be incomplete.
    Unlisted(Vec<String>),
}

/// Compares the list of children of one listing with the mirror's live ones. `counted` is
/// the number of children in the listing's own fields: a list with another number of its
/// own children may be incomplete, and so may a list without a count. The list's own count can
/// only show that it is incomplete, since some servers count what they send. If the list is the
/// only source of the children, nothing can show that the children are deleted that an empty or a
/// short list lacks.
pub(super) fn plan_missing_children(
    parent: &str,
    list: &Children,
    live: Vec<String>,
    counted: Option<usize>,
    is_only_source: bool,
) -> MissingChildren {
    // A child without a key may be any of the children that seem to be missing.
    if list.rejected_without_key {
        return MissingChildren::Unlisted(Vec::new());
    }
    let listed: HashSet<&str> = (list.records.iter().map(|child| &*child.key))
        .chain(list.rejected_keys.iter().map(|key| &**key))
        .collect();
    let missing: Vec<String> = live
        .into_iter()
        .filter(|key| !listed.contains(key.as_str()))
        .collect();
    let is_foreign = |child: &&Record| child.listing_key.as_deref().is_some_and(|of| of != parent);
    let foreign: HashSet<&str> = (list.records.iter().filter(is_foreign))
        .map(|child| &*child.key)
        .collect();
    let own = listed.len() - foreign.len();
    let is_short = list.count.is_some_and(|count| count > own as u64);
    match counted {
        Some(counted) if counted == own && !is_short => MissingChildren::Deleted(missing),
        counted if is_only_source && (own == 0 || is_short || counted > Some(own)) => {
            MissingChildren::Unlisted(Vec::new())
        }
        _ => MissingChildren::Unlisted(missing),
    }
}

/// How many deletions a full sync or a reconcile may make.
pub(in crate::sync) struct DeletionLimit {
    /// `max_delete_percent`.
    pub percent: f64,
    /// `--allow-deletes`.
    pub allowed: u64,
}

/// What to do with rows that the feed seems to lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum DeletionPlan {
    Delete,
    /// They are too many: a feed that suddenly lacks many records is more likely to be
    /// broken than right.
    HoldBack,
}

/// Up to this many deletions are not held back, unless they are more than half of the
/// rows: of a small mirror, a few percent is one listing.
const SMALL_DELETION_ROWS: u64 = 20;

/// Decides whether `missing` of `live` rows may be deleted.
pub(in crate::sync) fn plan_deletions(
    missing: u64,
    live: u64,
    limit: &DeletionLimit,
) -> DeletionPlan {
    let is_small = missing <= SMALL_DELETION_ROWS && missing * 2 <= live && limit.percent > 0.0;
    let exceeds = !is_small && missing as f64 * 100.0 > limit.percent * live as f64;
    if exceeds && missing > limit.allowed {
        DeletionPlan::HoldBack
    } else {
        DeletionPlan::Delete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Roles;
    use crate::resource::Resource;
    use crate::value::ValueForm;

    fn shape() -> Shape {
        let field = |(name, form): (&str, ValueForm)| FieldShape {
            name: name.to_owned(),
            form,
            declared_type: String::new(),
            is_guid: false,
            is_declared: true,
        };
        let fields = [
            ("ListingKey", ValueForm::Text),
            ("ListPrice", ValueForm::Decimal),
            ("ModificationTimestamp", ValueForm::Timestamp),
        ];
        let fields = fields.into_iter().map(field).collect();
        let roles = Roles {
            key: vec!["ListingKey".to_owned()],
            paging: "ListingKey".to_owned(),
            timestamp: Some("ModificationTimestamp".to_owned()),
            ..Roles::default()
        };
        Shape::new(Resource::PROPERTY, roles, fields, Vec::new(), true)
            .expect("the key is among the fields")
    }

    fn record(key: &str, price: i64) -> Record {
        Record {
            key: key.into(),
            listing_key: None,
            values: vec![
                Value::Text(key.into()),
                Value::Integer(price),
                Value::Text("2026-01-02 00:00:00".into()),
            ],
            extra: None,
            children: Vec::new(),
        }
    }

    fn plan(held: StoredRow, new_fields: &[&str], ignored: &[&str]) -> RecordPlan {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (new_fields, ignore_fields) = (names(new_fields), names(ignored));
        let rules = LogRules {
            logs: true,
            new_fields: &new_fields,
            ignore_fields: &ignore_fields,
            accepts_older: false,
            is_listed: false,
        };
        let loaded = LoadedRecord {
            held,
            undeclared: BTreeMap::new(),
        };
        plan_record(&shape(), &record("7", 5), loaded, &rules)
    }

    fn held(deleted: Option<&str>, changes: &[(usize, Value)]) -> StoredRow {
        StoredRow::Present {
            deleted: deleted.map(str::to_owned),
            moved: false,
            changes: changes
                .iter()
                .map(|(position, old)| FieldChange {
                    position: *position,
                    old: old.clone(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_record_is_inserted_updated_restored_or_left_alone() {
        let price = (1, Value::Integer(4));
        assert_eq!(plan(StoredRow::Absent, &[], &[]).effect, RowEffect::Insert);
        assert_eq!(plan(held(None, &[]), &[], &[]).effect, RowEffect::Unchanged);
        let updated = plan(held(None, std::slice::from_ref(&price)), &[], &[]);
        assert_eq!(updated.effect, RowEffect::Update);
        let logged = LoggedChange {
            field: "ListPrice".to_owned(),
            old: Value::Integer(4),
            new: Value::Integer(5),
        };
        assert_eq!(updated.logged, std::slice::from_ref(&logged));
        let restored = plan(held(Some("missing"), &[price]), &[], &[]);
        assert_eq!(
            (restored.effect, restored.logged),
            (RowEffect::Restore, vec![logged])
        );
    }

    #[test]
    fn timestamps_ignored_fields_and_newly_selected_fields_are_not_logged() {
        let timestamp = (2, Value::Text("2026-01-01 00:00:00".into()));
        assert!(plan(held(None, &[timestamp]), &[], &[]).logged.is_empty());
        let price = (1, Value::Integer(4));
        assert!(
            plan(held(None, &[price]), &[], &["ListPrice"])
                .logged
                .is_empty()
        );
        let unknown = (1, Value::Null);
        assert!(
            plan(held(None, &[unknown]), &["ListPrice"], &[])
                .logged
                .is_empty()
        );
    }

    #[test]
    fn children_that_are_not_listed_are_deleted_only_if_the_list_is_complete() {
        let live = || vec!["a".to_owned(), "b".to_owned()];
        let mut list = Children {
            records: vec![record("a", 1)],
            ..Children::default()
        };
        let b = || vec!["b".to_owned()];
        let counted = plan_missing_children("7", &list, live(), Some(1), false);
        assert_eq!(counted, MissingChildren::Deleted(b()));
        for other in [None, Some(2)] {
            let doubtful = plan_missing_children("7", &list, live(), other, false);
            assert_eq!(doubtful, MissingChildren::Unlisted(b()));
        }
        let nothing = MissingChildren::Unlisted(Vec::new());
        list.count = Some(2);
        let counted = plan_missing_children("7", &list, live(), Some(1), false);
        assert_eq!(counted, MissingChildren::Unlisted(b()));
        let only_source = plan_missing_children("7", &list, live(), None, true);
        assert_eq!(only_source, nothing);
        list.count = Some(1);
        let of_page = plan_missing_children("7", &list, live(), None, false);
        assert_eq!(of_page, MissingChildren::Unlisted(b()), "it proves nothing");
        list.rejected_without_key = true;
        assert_eq!(
            plan_missing_children("7", &list, live(), Some(1), false),
            nothing
        );
        let empty = Children::default();
        let all = plan_missing_children("7", &empty, live(), Some(0), false);
        assert_eq!(all, MissingChildren::Deleted(live()));
    }

    #[test]
    fn the_newest_version_of_a_record_counts() {
        let older = Record {
            values: vec![
                Value::Text("7".into()),
                Value::Integer(1),
                Value::Text("2026-01-01 00:00:00".into()),
            ],
            ..record("7", 1)
        };
        let records = [record("6", 2), record("7", 3), older, record("7", 4)];
        let prices: Vec<&Value> = newest_versions(&shape(), &records)
            .into_iter()
            .map(|record| &record.values[1])
            .collect();
        assert_eq!(prices, [&Value::Integer(2), &Value::Integer(4)]);
    }

    #[test]
    fn a_record_older_than_its_row_has_to_be_confirmed() {
        let newer = (2, Value::Text("2026-01-03 00:00:00".into()));
        assert_eq!(
            plan(held(None, &[newer]), &[], &[]).effect,
            RowEffect::Confirm
        );
    }

    #[test]
    fn many_deletions_are_held_back_unless_they_are_allowed() {
        let plan_at = |percent, missing, live, allowed| {
            plan_deletions(missing, live, &DeletionLimit { percent, allowed })
        };
        let plan = |missing, live, allowed| plan_at(10.0, missing, live, allowed);
        assert_eq!(plan_at(0.0, 1, 300, 0), DeletionPlan::HoldBack);
        assert_eq!(plan(20, 40, 0), DeletionPlan::Delete);
        assert_eq!(plan(20, 39, 0), DeletionPlan::HoldBack);
        assert_eq!(plan(30, 300, 0), DeletionPlan::Delete);
        assert_eq!(plan(31, 300, 0), DeletionPlan::HoldBack);
        assert_eq!(plan(31, 300, 30), DeletionPlan::HoldBack);
        assert_eq!(plan(31, 300, 31), DeletionPlan::Delete);
    }
}
