//! Answers for people and for programs.

use std::{fmt::Write as _, io, sync::Arc};

use activity_proto::json::escape_bytes;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray as _, RecordBatch, StringArray},
        csv::WriterBuilder as CsvWriterBuilder,
        datatypes::{DataType, Field, Schema, SchemaRef},
        error::ArrowError,
        json::writer::{JsonArray, WriterBuilder as JsonWriterBuilder},
        util::{
            display::{ArrayFormatter, FormatOptions},
            pretty::pretty_format_batches,
        },
    },
    error::DataFusionError,
    execution::SendableRecordBatchStream,
};
use futures::StreamExt as _;

use crate::{cli::Format, query::Progress};

/// Why an answer was not printed.
#[derive(Debug)]
pub enum PrintError {
    /// It could not be written.
    Output(io::Error),
    /// There is no answer.
    Query(DataFusionError),
}

impl From<ArrowError> for PrintError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Output(error),
            other => Self::Query(other.into()),
        }
    }
}

/// Prints an answer as it comes; a table when it is complete. Gives the number of its rows.
pub async fn print(
    mut answer: SendableRecordBatchStream,
    schema: SchemaRef,
    format: Format,
    progress: Progress,
    out: &mut impl io::Write,
) -> Result<u64, PrintError> {
    let mut rows = 0;
    let mut progress = Some(progress);
    match format {
        Format::Json => {
            let builder = JsonWriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, JsonArray>(&mut *out);
            while let Some(batch) = answer.next().await {
                // From here on the answer itself is to be seen.
                progress.take();
                let batch = batch.map_err(PrintError::Query)?;
                rows += batch.num_rows() as u64;
                writer.write(&batch)?;
            }
            writer.finish()?;
            writeln!(out).map_err(PrintError::Output)?;
        }
        Format::Csv => {
            let mut writer = CsvWriterBuilder::new().with_header(true).build(&mut *out);
            writer.write(&texts(&RecordBatch::new_empty(schema), json_list)?)?;
            while let Some(batch) = answer.next().await {
                progress.take();
                let batch = batch.map_err(PrintError::Query)?;
                rows += batch.num_rows() as u64;
                writer.write(&texts(&batch, json_list)?)?;
            }
        }
        Format::Table => {
            let mut batches = vec![texts(&RecordBatch::new_empty(schema), words)?];
            while let Some(batch) = answer.next().await {
                let batch = batch.map_err(PrintError::Query)?;
                rows += batch.num_rows() as u64;
                batches.push(texts(&batch, words)?);
            }
            drop(progress);
            let table = pretty_format_batches(&batches)?;
            writeln!(out, "{table}").map_err(PrintError::Output)?;
        }
    }
    Ok(rows)
}

/// Every column as text. Texts of the view are escaped already; those that a
/// statement makes itself, by `chr` for one, may hold anything.
fn texts(batch: &RecordBatch, list: fn(&StringArray) -> String) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
    let columns = batch.columns().iter().map(|column| column_texts(column, list));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn column_texts(column: &ArrayRef, list: fn(&StringArray) -> String) -> Result<ArrayRef, ArrowError> {
    let is_text_list =
        matches!(column.data_type(), DataType::List(item) if *item.data_type() == DataType::Utf8);
    let texts: StringArray = if is_text_list {
        column.as_list::<i32>().iter().map(|items| Some(list(items?.as_string()))).collect()
    } else {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let text = |row| (!column.is_null(row)).then(|| harmless(&formatter.value(row).to_string()));
        (0..column.len()).map(text).collect()
    };
    Ok(Arc::new(texts))
}

/// Control characters as `\xNN`; anything else, and line breaks, as it is.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            harmless.push_str(&escape_bytes(character.encode_utf8(&mut [0; 4]).as_bytes()));
        } else {
            harmless.push(character);
        }
    }
    harmless
}

/// A list as people write a command: words, quoted where one has spaces.
fn words(items: &StringArray) -> String {
    line(items.iter().map(Option::unwrap_or_default))
}

/// Words as one line.
pub fn line_of(items: &[String]) -> String {
    line(items.iter().map(String::as_str))
}

fn line<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut words = String::new();
    for item in items {
        let item = harmless(item);
        let separator = if words.is_empty() { "" } else { " " };
        let plain = !item.is_empty() && !item.contains([' ', '\'', '"']);
        let item = if plain { item } else { format!("'{}'", item.replace('\'', r"'\''")) };
        let _ = write!(words, "{separator}{item}");
    }
    words
}

/// A list as a JSON array.
fn json_list(items: &StringArray) -> String {
    serde_json::Value::from(items.iter().collect::<Vec<_>>()).to_string()
}
