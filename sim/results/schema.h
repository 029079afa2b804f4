// The results database, defined once: the SQL that creates it and reports/schema.md both come from here.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace moesim::results {

/// Raised when a table or column changes its meaning; stored as PRAGMA user_version.
constexpr int kSchemaVersion = 3;

enum class Table {
  run,
  option,
  assumption,
  warning,
  metric,
  series,
  latency,
  gpu,
  link,
  link_use,
  pair,
  stage,
  request,
  step,
  expert_load,
  placement,
  gpu_load,
  gpu_traffic,
  drift,
  memory,
  span,
  instruction,
  incident,
  published,
  validation,
  sweep,
  sweep_point,
  candidate,
  candidate_pool,
  variation,
  trial,
  mapping,
  step_trial
};

struct Column {
  std::string_view name, type, unit, help;  // type: INTEGER, REAL or TEXT; unit "" where there is none
};
struct TableDefinition {
  Table table;
  std::string_view name, help;
  std::span<const Column> columns;
};
struct ViewDefinition {
  std::string_view name, help, sql;
};

std::span<const TableDefinition> tables();
std::span<const ViewDefinition> views();
const TableDefinition& definition(Table table);

/// The statement that creates a table; those that create every table and view.
std::string table_sql(const TableDefinition& table);
std::string schema_sql();
/// The documentation in Markdown, as kept in reports/schema.md.
std::string schema_markdown();
}  // namespace moesim::results
