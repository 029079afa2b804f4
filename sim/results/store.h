// A thin wrapper over SQLite, the only place that knows its header.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/descriptor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace moesim::results {

/// A prepared statement.  Parameters and columns count from 0.  Errors throw: ConfigError for what the disk or a
/// damaged file does, std::logic_error for a statement of ours that is wrong.
class Statement {
 public:
  Statement& bind(int i, std::int64_t v);
  Statement& bind(int i, int v) { return bind(i, std::int64_t{v}); }
  Statement& bind(int i, double v);
  Statement& bind(int i, std::string_view v);
  Statement& bind(int i, std::span<const std::byte> v);  // a blob; copied
  Statement& bind_null(int i);

  /// The next row: true while there is one.  After false, the statement is reset and can be bound again.
  bool step();
  /// Runs to the end and resets, for statements without rows.
  void run();
  void reset();

  int columns() const;
  std::string column_name(int i) const;
  bool is_null(int i) const;
  bool is_number(int i) const;
  bool is_integer(int i) const;
  std::int64_t integer(int i) const;
  double real(int i) const;
  std::string text(int i) const;
  std::span<const std::byte> blob(int i) const;  // valid until the next step()

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const;
  };
  Statement(sqlite3* db, std::string_view sql, const std::string& file);
  [[noreturn]] void fail() const;
  sqlite3* db_ = nullptr;
  std::string file_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  /// A new database with the tables of `schema`, in write-ahead mode, which readers may open from the moment it is
  /// there and no other process of ours may write (output.h).  Throws ConfigError if the file exists or cannot be made.
  static Database create(const std::string& file, const std::string& schema = "");
  /// One that create() made and nobody finished, as create() gives it.  Throws ConfigError if another process writes
  /// it.
  static Database resume(const std::string& file);
  /// An existing one, read-only.  Throws ConfigError if it is absent or not an SQLite database.
  static Database open(const std::string& file);
  /// An existing one, for writing; it may be empty.  Throws ConfigError if it cannot be opened.
  static Database open_existing(const std::string& file);
  /// In memory, for tests and scratch work.
  static Database in_memory();

  void exec(const std::string& sql);
  Statement prepare(std::string_view sql) const { return Statement(db_.get(), sql, file_); }
  /// The first column of the first row, or nothing.
  std::optional<std::string> value(std::string_view sql) const;
  bool has_table(std::string_view name) const;
  /// Whether what it has of the tables that `schema` makes are tables with those columns: then nothing computes what is
  /// read from them, as a view or a column in a file from others can, without end.
  bool has_tables_of(const std::string& schema) const;
  std::int64_t last_row_id() const;
  const std::string& file() const { return file_; }
  /// Puts everything into the one file and leaves write-ahead mode, for which nobody else may have it open.  Returns
  /// false if somebody has: then FILE-wal stays beside it and both together hold everything.
  bool settle();
  /// Says that FILE-wal stays.
  void say_log_stays() const;
  /// settle(), then closes; says so if FILE-wal stays.
  void close();

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  Database(const std::string& file, int flags);
  /// Whether nothing of that name is a view or a table of an extension.
  bool is_plain_table(std::string_view name) const;
  std::string columns_of(std::string_view table) const;
  std::string file_;
  Descriptor lock_;  // outlives the connection
  std::unique_ptr<sqlite3, Close> db_;
};

/// BEGIN ... COMMIT; rolls back if it goes out of scope without commit().
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db) { db_.exec("BEGIN"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& db_;
  bool open_ = true;
};
}  // namespace moesim::results
