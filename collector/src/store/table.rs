//! What is stored as a table of the query engine: Parquet files, here and in the archive,
//! and the fresh tail of the log alike.

use std::{fs, io, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, TimestampNanosecondArray},
        datatypes::SchemaRef,
    },
    catalog::{Session, TableProvider, memory::MemorySourceConfig},
    common::{Column, DFSchema, ScalarValue, pruning::PruningStatistics},
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    error::{DataFusionError, Result},
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    object_store::{ObjectMeta, path::Path as ObjectPath},
    physical_expr::PhysicalExpr,
    physical_optimizer::pruning::PruningPredicateBuilder,
    physical_plan::{ExecutionPlan, union::UnionExec},
};

use super::{
    archive::Archive,
    class::Class,
    layout::Layout,
    reader::Snapshot,
    schema::{self, Row},
    stored::StoredFile,
};

/// Events of the fresh tail in one batch.
const BATCH_ROWS: usize = 8192;

/// What the query engine calls the archive.
const ARCHIVE: &str = "activity-archive://archive";

/// The table `events` over a snapshot.
#[derive(Debug)]
pub struct EventsTable {
    snapshot: Snapshot,
    schema: SchemaRef,
}

impl EventsTable {
    /// The table over a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, schema: schema::schema() }
    }

    /// Files in which an event may be that `predicate` holds for, judged by
    /// the times in their names and by their classes.
    fn files_for(&self, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<Vec<&StoredFile>> {
        let files = &self.snapshot.files;
        let Some(predicate) = predicate else { return Ok(files.iter().collect()) };
        let times = FileTimes { files, name: self.schema.field(schema::TIME).name() };
        let keep = PruningPredicateBuilder::new()
            .with_file_schema(self.schema.clone())
            .try_build(predicate.clone())?
            .prune(&times)?;
        Ok(files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file).collect())
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let (archived, here): (Vec<_>, Vec<_>) =
            self.files_for(predicate.as_ref())?.into_iter().partition(|file| file.archived.is_some());
        let here = here.into_iter().map(local).collect::<Result<Vec<_>>>()?;
        let mut plans = Vec::new();
        if !here.is_empty() {
            let url = ObjectStoreUrl::local_filesystem();
            plans.push(self.scan_of(url, here, state, projection, predicate.clone(), limit)?);
        }
        // Where no file of it is needed, it need not be there.
        if !archived.is_empty() {
            let (url, archive) = (ObjectStoreUrl::parse(ARCHIVE)?, Archive::of(&self.snapshot.layout));
            let archive = archive.map_err(|error| DataFusionError::External(error.into()))?;
            state.runtime_env().register_object_store(url.as_ref(), archive.store());
            let remote = |file| remote(&archive, &self.snapshot.layout, file);
            let archived = archived.into_iter().map(remote).collect::<Result<Vec<_>>>()?;
            plans.push(self.scan_of(url, archived, state, projection, predicate, limit)?);
        }
        Ok(plans)
    }

    fn scan_of(
        &self,
        url: ObjectStoreUrl,
        files: Vec<PartitionedFile>,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = state.table_options().parquet.clone();
        let mut source = ParquetSource::new(self.schema.clone()).with_table_parquet_options(options);
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate);
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn scan_fresh(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.map(Vec::as_slice);
        let batches = self.snapshot.fresh.chunks(BATCH_ROWS).map(|events| {
            let rows: Vec<Row> = events.iter().cloned().map(Row::new).collect();
            schema::batch(&rows, projection)
        });
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema.clone(),
        };
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = DFSchema::try_from(self.schema.clone())?;
        let predicate = conjunction(filters.to_vec())
            .map(|filter| state.create_physical_expr(filter, &schema))
            .transpose()?;
        let fresh = self.scan_fresh(projection)?;
        let mut plans = self.scan_files(state, projection, predicate, limit)?;
        if plans.is_empty() {
            return Ok(fresh);
        }
        plans.push(fresh);
        UnionExec::try_new(plans)
    }

    /// Used to leave out what cannot match; what is left is filtered again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

fn local(file: &StoredFile) -> Result<PartitionedFile> {
    let external = |error: io::Error| DataFusionError::External(error.into());
    let path = fs::canonicalize(&file.path).map_err(external)?;
    let size = fs::metadata(&path).map_err(external)?.len();
    let path =
        ObjectPath::from_absolute_path(path).map_err(|error| DataFusionError::External(error.into()))?;
    Ok(partitioned(path, size))
}

fn remote(archive: &Archive, layout: &Layout, file: &StoredFile) -> Result<PartitionedFile> {
    let location = archive.location(&layout.relative(&file.path));
    let location = location.map_err(|error| DataFusionError::External(error.into()))?;
    Ok(partitioned(location, file.archived.map(|archived| archived.length).unwrap_or_default()))
}

fn partitioned(location: ObjectPath, size: u64) -> PartitionedFile {
    let last_modified = Default::default();
    PartitionedFile::new_from_meta(ObjectMeta { location, last_modified, size, e_tag: None, version: None })
}

/// The class of a type's name.
fn class(name: &ScalarValue) -> Option<Class> {
    Class::of_name(name.try_as_str()??)
}

/// The times in the names of files, as bounds of the column `time`.
struct FileTimes<'a> {
    files: &'a [StoredFile],
    name: &'a str,
}

impl FileTimes<'_> {
    fn bounds(&self, column: &Column, bound: fn(&StoredFile) -> i64) -> Option<ArrayRef> {
        let bounds = self.files.iter().map(|file| Some(bound(file))).collect::<TimestampNanosecondArray>();
        (column.name == self.name).then(|| Arc::new(bounds.with_timezone("UTC")) as ArrayRef)
    }
}

impl PruningStatistics for FileTimes<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.from)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.to)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(
        &self,
        column: &Column,
        values: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        if column.name != schema::TYPE {
            return None;
        }
        // Where a type is not known, its class is not either.
        let classes = values.iter().map(class).collect::<Option<Vec<Class>>>()?;
        // That it can have them says the class; that it has nothing else, nobody.
        let cannot = |file: &StoredFile| file.class.is_some_and(|class| !classes.contains(&class));
        Some(self.files.iter().map(|file| cannot(file).then_some(false)).collect())
    }
}
