//! The schema of a published table: for Delta, and for its Parquet files.

use std::collections::HashMap;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};
use serde_json::json;

use super::column_type::{ColumnType, Decimal, Width};
use crate::mirror::ExportTable;

/// The column with the name of the mirror.
pub(super) const MIRROR_NAME: &str = "mirror_name";

/// The fields whose smallest and largest values are in the log, in addition to keys.
const IN_LOG: [&str; 4] = [
    "ModificationTimestamp",
    "ListPrice",
    "StandardStatus",
    "City",
];

/// A column of a published table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub column_type: ColumnType,
    /// Whether the log has the smallest and the largest value of each file.
    pub is_in_log: bool,
}

/// Returns the columns of a published table. The name of the mirror is the first one.
pub(super) fn columns(table: &ExportTable) -> Vec<Column> {
    let mirror_name = Column {
        name: MIRROR_NAME.to_owned(),
        column_type: ColumnType::String,
        is_in_log: false,
    };
    let own = table.columns.iter().enumerate();
    let own = own.map(|(at, (name, declared_type))| Column {
        name: name.clone(),
        column_type: ColumnType::of(declared_type),
        is_in_log: table.key == Some(at)
            || name == "listing_key"
            || IN_LOG.contains(&name.as_str()),
    });
    std::iter::once(mirror_name).chain(own).collect()
}

/// Returns the schema as the log has it.
pub(super) fn schema_string(columns: &[Column]) -> String {
    let fields = columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": column.column_type.to_string(),
            "nullable": true,
            "metadata": {},
        })
    });
    let fields: Vec<_> = fields.collect();
    json!({ "type": "struct", "fields": fields }).to_string()
}

/// Returns whether files with the columns of an earlier schema are files of the new one:
/// no column is missing or has another type. Readers fill new columns with nulls.
pub(super) fn extends(columns: &[Column], earlier: &str) -> bool {
    let earlier: serde_json::Value = serde_json::from_str(earlier).unwrap_or_default();
    let Some(fields) = earlier["fields"].as_array() else {
        return false;
    };
    let types: HashMap<&str, String> = columns
        .iter()
        .map(|column| (column.name.as_str(), column.column_type.to_string()))
        .collect();
    fields.iter().all(|field| {
        let name = field["name"].as_str().unwrap_or_default();
        types.get(name).map(String::as_str) == field["type"].as_str()
    })
}

/// Returns the schema of the Parquet files.
pub(super) fn parquet_schema(columns: &[Column]) -> parquet::errors::Result<TypePtr> {
    let fields = columns
        .iter()
        .map(|column| parquet_type(column).map(Arc::new));
    let fields = fields.collect::<Result<_, _>>()?;
    Ok(Arc::new(
        Type::group_type_builder("schema")
            .with_fields(fields)
            .build()?,
    ))
}

fn parquet_type(column: &Column) -> parquet::errors::Result<Type> {
    let (physical, logical) = match column.column_type {
        ColumnType::Boolean => (Physical::BOOLEAN, None),
        ColumnType::Date => (Physical::INT32, Some(LogicalType::Date)),
        ColumnType::Double => (Physical::DOUBLE, None),
        ColumnType::Long => (Physical::INT64, None),
        ColumnType::String => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Timestamp => {
            let utc = LogicalType::timestamp(true, TimeUnit::MICROS);
            (Physical::INT64, Some(utc))
        }
        ColumnType::Decimal(size) => {
            let physical = match size.width() {
                Width::Int => Physical::INT32,
                Width::Long => Physical::INT64,
                Width::Wide => Physical::FIXED_LEN_BYTE_ARRAY,
            };
            let decimal = LogicalType::decimal(size.scale.into(), size.precision.into());
            (physical, Some(decimal))
        }
    };
    let mut builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let ColumnType::Decimal(Decimal { precision, scale }) = column.column_type {
        builder = builder
            .with_precision(precision.into())
            .with_scale(scale.into())
            .with_length(size_of::<i128>() as i32);
    }
    builder.build()
}
