#include "fuzz/support/spoiled_database.h"

#include <fmt/format.h>

#include <fstream>
#include <vector>

#include "core/files.h"
#include "fuzz/support/input.h"
#include "results/store.h"

namespace moesim::fuzz {
namespace {
constexpr std::size_t kPiece = 8;

/// An expression of SQL.
std::string value_of(unsigned char choice, unsigned char n) {
  static constexpr const char* kValues[] = {"NULL",
                                            "0",
                                            "1",
                                            "-1",
                                            "2",
                                            "1000",
                                            "65539",
                                            "4294967299",
                                            "9223372036854775807",
                                            "(-9223372036854775807)",
                                            "0.5",
                                            "1e300",
                                            "-1e300",
                                            "9e999",
                                            "-9e999",
                                            "''",
                                            "'x'",
                                            "'run'",
                                            "'pool:decode'",
                                            "'pool:,'",
                                            "'stage:1'",
                                            "'layer:-1'",
                                            "'phase:prefill'",
                                            "':'",
                                            "x''",
                                            "x'00'",
                                            "zeroblob(70000)",
                                            "'complete'",
                                            "'[1,2]'",
                                            "'{'",
                                            "'<script>'",
                                            "'a'||char(0)||'b'",
                                            "'training'",
                                            "'serving'",
                                            "'size'",
                                            "'place'",
                                            "'passes'",
                                            "'validate'"};
  const std::size_t at = choice % (std::size(kValues) + 2);
  if (at < std::size(kValues)) return kValues[at];
  return at == std::size(kValues) ? fmt::format("{}", int(n)) : fmt::format("'{}'", int(n));
}

std::vector<std::string> column_of(const results::Database& db, const std::string& sql) {
  std::vector<std::string> out;
  results::Statement rows = db.prepare(sql);
  while (rows.step()) out.push_back(rows.text(0));
  return out;
}

void change(results::Database& db, std::string_view piece) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(piece[i]); };
  const std::vector<std::string> tables =
      column_of(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name");
  if (tables.empty()) return;
  const std::string& table = tables[byte(1) % tables.size()];
  const std::vector<std::string> columns =
      column_of(db, fmt::format("SELECT name FROM pragma_table_info('{}')", table));
  if (columns.empty()) return;
  const std::string& column = columns[byte(2) % columns.size()];
  const std::string row = fmt::format(
      "rowid = (SELECT rowid FROM \"{0}\" LIMIT 1 OFFSET {1} % max(1, (SELECT count(*) "
      "FROM \"{0}\")))",
      table, int(byte(3)));
  switch (byte(0) % 8) {
    case 0:
      return db.exec(fmt::format("DELETE FROM \"{}\" WHERE {}", table, row));
    case 1:
      return db.exec(fmt::format("DELETE FROM \"{}\"", table));
    case 2:
      if (byte(7) < 128) return;
      return db.exec(fmt::format("DROP TABLE \"{}\"", table));
    case 3:
      if (byte(7) < 128) return;
      return db.exec(fmt::format("ALTER TABLE \"{}\" RENAME COLUMN \"{}\" TO other", table, column));
    case 4:
      return db.exec(fmt::format("UPDATE OR IGNORE \"{}\" SET \"{}\" = {}", table, column, value_of(byte(4), byte(5))));
    default:
      return db.exec(fmt::format("UPDATE OR IGNORE \"{}\" SET \"{}\" = {} WHERE {}", table, column,
                                 value_of(byte(4), byte(5)), row));
  }
}
}  // namespace

std::string spoiled(const std::string& good, const std::string& name, std::string_view input) {
  std::string file = input_file(name, core::read_file(good));
  {
    results::Database db = results::Database::open_existing(file);
    for (int changes = 0; input.size() >= kPiece && changes < 8; ++changes, input.remove_prefix(kPiece))
      taken([&] { change(db, input.substr(0, kPiece)); });
  }
  if (input.size() < 3) return file;
  std::string bytes = core::read_file(file);
  const std::size_t at = (static_cast<unsigned char>(input[0]) * 256u + static_cast<unsigned char>(input[1])) * 4;
  bytes.replace(at % bytes.size(), std::min(bytes.size() - at % bytes.size(), input.size() - 2), input.substr(2));
  return input_file(name, bytes);
}
}  // namespace moesim::fuzz
