#include "core/replacing.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "core/new_file.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::core {
namespace {
namespace fs = std::filesystem;

class Replacing : public testing::Test {
 protected:
  ~Replacing() override { allow_replacing(false); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  TemporaryFolder folder_;
};

TEST_F(Replacing, OnlyWhereItIsAllowed) {
  folder_.write("a", "old");
  EXPECT_EQ(test::refusal_of([&] { write_file(file("a"), "new"); }),
            file("a") + ": already exists; choose another name with -o, or overwrite it with --force");
  allow_replacing(true);
  write_file(file("a"), "new");
  EXPECT_EQ(read_file(file("a")), "new");
}

TEST_F(Replacing, WhatStandsThereStaysUntilTheNewOneIsWhole) {
  folder_.write("a", "old");
  allow_replacing(true);
  {
    NewFile half(file("a"));
    half.write("ha");
    allow_replacing(true);  // forgets what was read
    EXPECT_EQ(read_file(file("a")), "old");
  }
  EXPECT_EQ(read_file(file("a")), "old");
}

TEST_F(Replacing, NothingThatTheCommandReads) {
  folder_.write("a", "precious");
  allow_replacing(true);
  (void)read_file(file("a"));
  EXPECT_EQ(test::refusal_of([&] { write_file(file("a"), "new"); }),
            file("a") + ": is read by this command, which cannot overwrite it");
  EXPECT_EQ(read_file(file("a")), "precious");
}

TEST_F(Replacing, FilesAlone) {
  fs::create_directory(file("folder"));
  folder_.write("a", "precious");
  fs::create_symlink(file("a"), file("link"));
  allow_replacing(true);
  EXPECT_EQ(test::refusal_of([&] { write_file(file("folder"), ""); }),
            file("folder") + ": is a folder; --force overwrites files alone");
  EXPECT_EQ(test::refusal_of([&] { write_file(file("link"), ""); }),
            file("link") + ": is a link; --force overwrites files alone");
  EXPECT_EQ(read_file(file("a")), "precious");
}

TEST_F(Replacing, ADatabaseByAnotherAlone) {
  const std::string rows = "SQLite format 3" + std::string(1, '\0') + "rows";
  folder_.write("a.db", rows);
  folder_.write("b.db", "SQLite format");  // is none
  allow_replacing(true);
  EXPECT_EQ(test::refusal_of([&] { write_file(file("a.db"), "<html>"); }),
            file("a.db") + ": is a database; --force overwrites results and traces with their like alone");
  EXPECT_EQ(read_file(file("a.db")), rows);
  write_file(file("b.db"), "<html>");
  allow_replacing(true);
  writes_database(file("a.db"));
  write_file(file("a.db"), "new rows");
  EXPECT_EQ(read_file(file("a.db")), "new rows");
}
}  // namespace
}  // namespace moesim::core
