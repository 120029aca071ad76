//! Writes a Parquet file of rows under a temporary name, and gives it its name when it is
//! complete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use super::column::Column;
use super::column_buffer::ColumnBuffer;
use super::column_type::Cell;
use super::file_stats::{Extremes, file_stats};

/// The bytes of values that a row group holds. They are in memory until the group is
/// written.
const ROW_GROUP_BYTES: usize = 32_000_000;

/// A Parquet file that is being written.
pub(super) struct DataFile<'c> {
    columns: &'c [Column],
    writer: SerializedFileWriter<File>,
    buffers: Vec<ColumnBuffer>,
    /// One entry for each column in the log.
    extremes: Vec<Extremes>,
    buffered_bytes: usize,
    rows: u64,
    temporary: PathBuf,
    path: PathBuf,
}

/// A complete Parquet file.
pub(super) struct WrittenFile {
    pub bytes: u64,
    /// The statistics, as JSON.
    pub stats: String,
}

impl<'c> DataFile<'c> {
    /// Creates a file in a folder.
    pub fn create(
        folder: &Path,
        name: &str,
        schema: TypePtr,
        columns: &'c [Column],
    ) -> anyhow::Result<DataFile<'c>> {
        let temporary = folder.join(format!(".{name}.tmp"));
        let file = File::create(&temporary)
            .with_context(|| format!("creating {}", temporary.display()))?;
        let types = columns.iter().map(|column| column.column_type);
        Ok(DataFile {
            columns,
            writer: SerializedFileWriter::new(file, schema, properties()?)?,
            buffers: types.map(ColumnBuffer::new).collect(),
            extremes: vec![
                Extremes::default();
                columns.iter().filter(|column| column.is_in_log).count()
            ],
            buffered_bytes: 0,
            rows: 0,
            temporary,
            path: folder.join(name),
        })
    }

    /// Adds a row: `cell` returns the value of a column by its position.
    pub fn add<'v>(
        &mut self,
        mut cell: impl FnMut(usize, &Column) -> anyhow::Result<Option<Cell<'v>>>,
    ) -> anyhow::Result<()> {
        let mut extremes = self.extremes.iter_mut();
        for (at, (column, buffer)) in self.columns.iter().zip(&mut self.buffers).enumerate() {
            let cell = cell(at, column)?;
            if column.is_in_log
                && let Some(extremes) = extremes.next()
            {
                extremes.add(cell.as_ref());
            }
            self.buffered_bytes += buffer.push(cell);
        }
        self.rows += 1;
        if self.buffered_bytes >= ROW_GROUP_BYTES {
            self.write_row_group()?;
        }
        Ok(())
    }

    fn write_row_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for buffer in &mut self.buffers {
            if let Some(mut column) = group.next_column()? {
                buffer.write(column.untyped())?;
                column.close()?;
            }
        }
        group.close()?;
        self.buffered_bytes = 0;
        Ok(())
    }

    /// Writes the rest, flushes the file to the disk, and gives it its name.
    pub fn finish(mut self) -> anyhow::Result<WrittenFile> {
        if self.buffered_bytes > 0 {
            self.write_row_group()?;
        }
        let file = self.writer.into_inner()?;
        file.sync_all()
            .and_then(|()| std::fs::rename(&self.temporary, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))?;
        Ok(WrittenFile {
            bytes: file.metadata()?.len(),
            stats: file_stats(self.rows, self.columns, &self.extremes),
        })
    }
}

/// Returns how all Parquet files of an export are written.
pub(super) fn properties() -> anyhow::Result<WriterPropertiesPtr> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("mlsmirror ", env!("CARGO_PKG_VERSION")).to_owned());
    Ok(Arc::new(properties.build()))
}
