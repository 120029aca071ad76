//! The values of one column of a row group, until they are written.

use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};

use super::column_type::{Cell, ColumnType, Width};

/// The values of a column.
#[derive(Debug)]
pub(super) struct ColumnBuffer {
    values: Values,
    /// 1 for a value, 0 for a null.
    levels: Vec<i16>,
}

#[derive(Debug)]
enum Values {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Double(Vec<f64>),
    Wide(Vec<i128>),
    /// All texts, and where each one ends.
    Text(Vec<u8>, Vec<usize>),
}

impl ColumnBuffer {
    pub fn new(column_type: ColumnType) -> ColumnBuffer {
        let values = match column_type {
            ColumnType::Boolean => Values::Boolean(Vec::new()),
            ColumnType::Date => Values::Int(Vec::new()),
            ColumnType::Decimal(size) => match size.width() {
                Width::Int => Values::Int(Vec::new()),
                Width::Long => Values::Long(Vec::new()),
                Width::Wide => Values::Wide(Vec::new()),
            },
            ColumnType::Long | ColumnType::Timestamp => Values::Long(Vec::new()),
            ColumnType::Double => Values::Double(Vec::new()),
            ColumnType::String => Values::Text(Vec::new(), Vec::new()),
        };
        ColumnBuffer {
            values,
            levels: Vec::new(),
        }
    }

    /// Adds a value of the column's type, or a null. Returns the number of bytes that it
    /// takes.
    pub fn push(&mut self, cell: Option<Cell<'_>>) -> usize {
        self.levels.push(cell.is_some().into());
        let value_bytes = match (&mut self.values, cell) {
            (_, None) => 0,
            (Values::Boolean(values), Some(Cell::Boolean(value))) => pushed(values, value),
            (Values::Int(values), Some(Cell::Date(days))) => pushed(values, days),
            (Values::Long(values), Some(Cell::Long(value) | Cell::Timestamp(value))) => {
                pushed(values, value)
            }
            (Values::Int(values), Some(Cell::Decimal(digits))) => pushed(values, digits as i32),
            (Values::Long(values), Some(Cell::Decimal(digits))) => pushed(values, digits as i64),
            (Values::Double(values), Some(Cell::Double(value))) => pushed(values, value),
            (Values::Wide(values), Some(Cell::Decimal(digits))) => pushed(values, digits),
            (Values::Text(texts, ends), Some(Cell::Text(text))) => {
                texts.extend_from_slice(text.as_bytes());
                pushed(ends, texts.len()) + text.len()
            }
            (_, Some(_)) => {
                // A cell of another type is a null.
                if let Some(level) = self.levels.last_mut() {
                    *level = 0;
                }
                0
            }
        };
        value_bytes + size_of::<i16>()
    }

    /// Writes all values and empties the buffer.
    pub fn write(&mut self, writer: &mut ColumnWriter<'_>) -> parquet::errors::Result<()> {
        let levels = Some(self.levels.as_slice());
        match (&mut self.values, writer) {
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Int(values), ColumnWriter::Int32ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Long(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Wide(values), ColumnWriter::FixedLenByteArrayColumnWriter(writer)) => {
                let digits = values.drain(..);
                let digits =
                    digits.map(|digits| FixedLenByteArray::from(digits.to_be_bytes().to_vec()));
                let digits: Vec<_> = digits.collect();
                writer.write_batch(&digits, levels, None)?;
            }
            (Values::Text(texts, ends), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let texts = Bytes::from(std::mem::take(texts));
                let mut start = 0;
                let texts = ends.drain(..).map(|end| {
                    let text = texts.slice(start..end);
                    start = end;
                    ByteArray::from(text)
                });
                let texts: Vec<_> = texts.collect();
                writer.write_batch(&texts, levels, None)?;
            }
            _ => {
                let wrong = "the column has another type in the file".to_owned();
                return Err(parquet::errors::ParquetError::General(wrong));
            }
        }
        self.levels.clear();
        Ok(())
    }
}

fn pushed<T>(values: &mut Vec<T>, value: T) -> usize {
    values.push(value);
    size_of::<T>()
}
