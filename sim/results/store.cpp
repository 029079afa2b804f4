#include "results/store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>

#include "core/check.h"
#include "core/config.h"
#include "core/files.h"
#include "core/log.h"
#include "core/new_file.h"
#include "results/output.h"

namespace moesim::results {
namespace {
constexpr int kPatience = 250;  // ms that a reader may keep us from making one file; it need not be one

/// Whether SQLite understands the file: of one that it does not, it gives the code of a wrong statement too.
bool is_readable(sqlite3* db) {
  return sqlite3_exec(db, "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr) == SQLITE_OK;
}

[[noreturn]] void fail(sqlite3* db, const std::string& file, std::string_view what) {
  const int code = sqlite3_errcode(db);
  const std::string message = sqlite3_errmsg(db);
  if (code == SQLITE_RANGE || code == SQLITE_MISUSE || code == SQLITE_CONSTRAINT ||
      (code == SQLITE_ERROR && is_readable(db)))
    throw std::logic_error(fmt::format("{}: {}: {}", file, what, message));
  if (code == SQLITE_NOTADB) throw ConfigError::placed(fmt::format("{}: is not an SQLite database", file));
  throw ConfigError::placed(fmt::format("{}: {}", file, message));
}
}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }

Statement::Statement(sqlite3* db, std::string_view sql, const std::string& file) : db_(db), file_(file) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql.data(), int(sql.size()), &raw, nullptr) != SQLITE_OK) results::fail(db, file, sql);
  statement_.reset(raw);
}
void Statement::fail() const { results::fail(db_, file_, sqlite3_sql(statement_.get())); }

Statement& Statement::bind(int i, std::int64_t v) {
  if (sqlite3_bind_int64(statement_.get(), i + 1, v) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind(int i, double v) {
  if (sqlite3_bind_double(statement_.get(), i + 1, v) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind(int i, std::string_view v) {
  if (sqlite3_bind_text(statement_.get(), i + 1, v.data(), int(v.size()), SQLITE_TRANSIENT) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind(int i, std::span<const std::byte> v) {
  // A null pointer would bind NULL, so an empty blob needs an address.
  const void* data = v.empty() ? static_cast<const void*>("") : v.data();
  if (sqlite3_bind_blob64(statement_.get(), i + 1, data, v.size(), SQLITE_TRANSIENT) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind_null(int i) {
  if (sqlite3_bind_null(statement_.get(), i + 1) != SQLITE_OK) fail();
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail();
  reset();
  return false;
}
void Statement::run() {
  while (step()) {
  }
}
void Statement::reset() { sqlite3_reset(statement_.get()); }
int Statement::columns() const { return sqlite3_column_count(statement_.get()); }
std::string Statement::column_name(int i) const { return sqlite3_column_name(statement_.get(), i); }
bool Statement::is_null(int i) const { return sqlite3_column_type(statement_.get(), i) == SQLITE_NULL; }
bool Statement::is_integer(int i) const { return sqlite3_column_type(statement_.get(), i) == SQLITE_INTEGER; }
bool Statement::is_number(int i) const {
  return is_integer(i) || sqlite3_column_type(statement_.get(), i) == SQLITE_FLOAT;
}
std::int64_t Statement::integer(int i) const { return sqlite3_column_int64(statement_.get(), i); }
double Statement::real(int i) const { return sqlite3_column_double(statement_.get(), i); }
std::string Statement::text(int i) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), i));
  return data == nullptr ? "" : std::string(data, std::size_t(sqlite3_column_bytes(statement_.get(), i)));
}
std::span<const std::byte> Statement::blob(int i) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), i));
  return {data, std::size_t(sqlite3_column_bytes(statement_.get(), i))};
}

void Database::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

namespace {
/// Else every allocation of SQLite, in any thread, waits for one lock to count its bytes, which nobody reads.  Whoever
/// has used SQLite in this process before (a Python interpreter) has decided already.
void count_no_allocations() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)once;
}
}  // namespace

Database::Database(const std::string& file, int flags) : file_(file) {
  count_no_allocations();
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  db_.reset(raw);
  if (code != SQLITE_OK) fail(raw, file, "open");
  sqlite3_busy_timeout(raw, 10'000);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);  // we have none; a file from others may
}

Database Database::create(const std::string& file, const std::string& schema) {
  make_way(file);
  NewFile target(file);
  {
    Database db(target.path(), SQLITE_OPEN_READWRITE);
    db.exec(fmt::format("PRAGMA page_size = 8192; PRAGMA application_id = {}; PRAGMA journal_mode = WAL; {}",
                        kUnfinished, schema));
  }
  Descriptor lock = lock_output(target.path());
  {
    const Descriptor replaced = before_replacing(file);
    target.keep();
  }
  Database db(file, SQLITE_OPEN_READWRITE);
  db.lock_ = std::move(lock);
  db.exec("PRAGMA synchronous = NORMAL");
  return db;
}

Database Database::resume(const std::string& file) {
  Descriptor lock = lock_output(file);
  Database db(file, SQLITE_OPEN_READWRITE);
  db.lock_ = std::move(lock);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  return db;
}

Database Database::open_existing(const std::string& file) { return Database(file, SQLITE_OPEN_READWRITE); }

Database Database::open(const std::string& file) {
  check_file(file);
  Database db(file, SQLITE_OPEN_READONLY);
  // No value is longer than its file, unless the file says how to compute it.
  std::error_code error;
  const auto size = [&](const std::string& name) {
    const std::uintmax_t bytes = std::filesystem::file_size(name, error);
    return error ? 0 : bytes;
  };
  constexpr std::uintmax_t kLeast = 1 << 20, kMost = 1'000'000'000;  // SQLite's own limit
  sqlite3_limit(db.db_.get(), SQLITE_LIMIT_LENGTH, int(std::clamp(size(file) + size(file + "-wal"), kLeast, kMost)));
  (void)db.value("SELECT count(*) FROM sqlite_master");  // opening alone does not look at the file
  return db;
}

// What is in memory belongs to one thread at a time: SQLite need not lock it at every value.
Database Database::in_memory() {
  return Database(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX);
}

void Database::exec(const std::string& sql) {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(db_.get(), file_, sql);
}

std::optional<std::string> Database::value(std::string_view sql) const {
  Statement s = prepare(sql);
  if (!s.step() || s.is_null(0)) return std::nullopt;
  return s.text(0);
}

bool Database::has_table(std::string_view name) const {
  Statement s = prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  return s.bind(0, name).step();
}

bool Database::is_plain_table(std::string_view name) const {
  Statement s =
      prepare("SELECT 1 FROM sqlite_master WHERE name = ? AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%')");
  return !s.bind(0, name).step();
}

std::string Database::columns_of(std::string_view table) const {
  // hidden is 0 for a column that is stored, and something else for one that is computed
  Statement s = prepare("SELECT group_concat(name || ' ' || type || ' ' || hidden) FROM pragma_table_xinfo(?)");
  return s.bind(0, table).step() ? s.text(0) : "";
}

bool Database::has_tables_of(const std::string& schema) const {
  Database ours = in_memory();
  ours.exec(schema);
  Statement wanted = ours.prepare("SELECT name FROM sqlite_master WHERE type = 'table'");
  while (wanted.step()) {
    const std::string name = wanted.text(0);
    if (!is_plain_table(name)) return false;
    if (has_table(name) && columns_of(name) != ours.columns_of(name)) return false;
  }
  return true;
}

std::int64_t Database::last_row_id() const { return sqlite3_last_insert_rowid(db_.get()); }

bool Database::settle() {
  sqlite3_busy_timeout(db_.get(), kPatience);
  const auto did = [&](const char* sql) {
    const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) fail(db_.get(), file_, sql);
    return code == SQLITE_OK;
  };
  // The first is no error where a reader stands in the way: it then moves what it can.
  return did("PRAGMA wal_checkpoint(TRUNCATE)") && did("PRAGMA journal_mode = DELETE");
}

void Database::close() {
  const bool alone = settle();
  db_.reset();
  lock_ = {};
  if (!alone) say_log_stays();
}

void Database::say_log_stays() const {
  say(fmt::format("{}: another program has it open, so {}-wal stays beside it; keep the two together", file_, file_));
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    db_.exec("ROLLBACK");
  } catch (const std::exception&) {  // a destructor must not throw, and SQLite rolls back by itself when it closes
  }
}
void Transaction::commit() {
  db_.exec("COMMIT");
  open_ = false;
}
}  // namespace moesim::results
