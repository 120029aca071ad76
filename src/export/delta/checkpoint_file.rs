//! Checkpoints: the state of a table as a Parquet file of actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value as Json};

use super::action::Action;
use super::checkpoint_columns::{CHECKPOINT_SCHEMA, Entry, column_entries};

/// Writes actions as a checkpoint.
pub(super) fn write_checkpoint(actions: &[Action]) -> anyhow::Result<Vec<u8>> {
    let actions = actions.iter().map(serde_json::to_value);
    let actions: Vec<Json> = actions.collect::<Result<_, _>>()?;
    let schema = Arc::new(parse_message_type(CHECKPOINT_SCHEMA)?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut content = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut content, schema, properties)?;
    let columns = writer.schema_descr().columns().to_vec();
    let mut group = writer.next_row_group()?;
    for column in columns {
        let entries = column_entries(&actions, &column);
        let Some(mut out) = group.next_column()? else {
            break;
        };
        write_column(out.untyped(), &entries)?;
        out.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(content)
}

fn write_column(out: &mut ColumnWriter<'_>, entries: &[Entry]) -> anyhow::Result<()> {
    let definitions: Vec<i16> = entries.iter().map(|entry| entry.definition).collect();
    let repetitions: Vec<i16> = entries.iter().map(|entry| entry.repetition).collect();
    let levels = (Some(definitions.as_slice()), Some(repetitions.as_slice()));
    let values = entries.iter().filter_map(|entry| entry.value.as_ref());
    match out {
        ColumnWriter::BoolColumnWriter(out) => {
            let values: Vec<bool> = values.filter_map(Json::as_bool).collect();
            out.write_batch(&values, levels.0, levels.1)?;
        }
        ColumnWriter::Int32ColumnWriter(out) => {
            let numbers = values.filter_map(Json::as_i64);
            let values: Vec<i32> = numbers.map(|number| number as i32).collect();
            out.write_batch(&values, levels.0, levels.1)?;
        }
        ColumnWriter::Int64ColumnWriter(out) => {
            let values: Vec<i64> = values.filter_map(Json::as_i64).collect();
            out.write_batch(&values, levels.0, levels.1)?;
        }
        ColumnWriter::ByteArrayColumnWriter(out) => {
            let texts = values.filter_map(Json::as_str);
            let values: Vec<ByteArray> = texts.map(ByteArray::from).collect();
            out.write_batch(&values, levels.0, levels.1)?;
        }
        _ => anyhow::bail!("a column of the checkpoint has an unknown type"),
    }
    Ok(())
}

/// Reads the actions of a checkpoint.
pub(super) fn read_checkpoint(content: Vec<u8>) -> anyhow::Result<Vec<Action>> {
    let reader = SerializedFileReader::new(Bytes::from(content))?;
    let mut actions = Vec::new();
    for row in reader.get_row_iter(None)? {
        let action = without_nulls(&row?);
        if action.as_object().is_some_and(|action| !action.is_empty()) {
            actions.push(serde_json::from_value(action)?);
        }
    }
    Ok(actions)
}

/// Returns a row as JSON, without the fields that are null.
fn without_nulls(row: &Row) -> Json {
    let fields = row.get_column_iter();
    let fields = fields.filter(|(_, field)| !matches!(field, Field::Null));
    Json::Object(
        fields
            .map(|(name, field)| (name.clone(), json_of(field)))
            .collect(),
    )
}

fn json_of(field: &Field) -> Json {
    match field {
        Field::Bool(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Group(row) => without_nulls(row),
        Field::ListInternal(list) => list.elements().iter().map(json_of).collect(),
        Field::MapInternal(map) => {
            let entries = map.entries().iter().filter_map(|(key, value)| match key {
                Field::Str(key) => Some((key.clone(), json_of(value))),
                _ => None,
            });
            let entries: BTreeMap<String, Json> = entries.collect();
            Json::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        _ => Json::Null,
    }
}
