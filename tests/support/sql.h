// Changes a database behind the program's back, as a damaged file or an older version would be.
#pragma once
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

namespace moesim::test {

inline void change_database(const std::string& file, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}
}  // namespace moesim::test
